"""`repodium`: what is not a stage."""

import json
from pathlib import Path

import click

from stages import params, paths, records
from stages.errors import SettingsError
from stages.settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Reproducible pipelines to the Kaggle podium: `dvc repro` runs them, this looks after them."""


@main.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Check params files as a whole (params.yaml if none is named)."""
    faults = []
    for file in files or (paths.PARAMS,):
        try:
            params.read(file)
            click.echo(f"{file}: good.")
        except SettingsError as error:
            faults.append(error.message)
    if faults:
        raise SettingsError("\n".join(faults))


@main.command()
def schema() -> None:
    """Print the JSON schema of params.yaml, by which editors complete and check it."""
    click.echo(json.dumps(Settings.model_json_schema(), indent=1))


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def score(file: Path) -> None:
    """Score a submission of the bundled competition against its held-back answers."""
    import pandas as pd  # slow to import, and the other commands do without

    from stages.competition import demo

    scores = demo.leaderboard(pd.read_csv(file, dtype={"id": str}))
    click.echo(", ".join(f"{name} {value:.6g}" for name, value in scores.items()))


@main.command()
@click.pass_context
def summary(context: click.Context) -> None:
    """Show what each step reached, the cross-validation, and how to submit."""
    settings = params.read()
    click.echo(f"{'fold':>6}  {'stage':<12}{'valid_loss':>12}{'accuracy':>12}")
    for fold in map(str, settings.folds):
        for stage in ("head", "augment", "progressive", "unfreeze", "tta"):
            found = records.read_metrics(stage, fold)
            loss = found.get("valid_loss", found.get("log_loss"))
            click.echo(f"{fold:>6}  {stage:<12}{_cell(loss)}{_cell(found.get('accuracy'))}")
    for name, value in records.read_metrics("submission").items():
        click.echo(f"{name + ':':<20}{value}")
    file = paths.SUBMISSIONS / settings.submission.file
    if settings.competition.source == "demo":
        click.echo("held-back answers:  ", nl=False)
        context.invoke(score, file=file)
    click.echo(
        f"\nSubmission: {file}\n"
        f'kaggle competitions submit {settings.competition.slug} -f {file} -m "Repodium"'
    )


def _cell(value: records.Value) -> str:
    return f"{value:>12.5g}" if isinstance(value, float) else f"{'-':>12}"


if __name__ == "__main__":
    main()
