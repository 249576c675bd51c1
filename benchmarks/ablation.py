"""What each step of the lesson is worth: the recipe without it, and with what came after it.

    python benchmarks/ablation.py SET [SET ...] [--folds 0,1] [--only NAME,...] [--out FILE]

SET is a folder of a set (see sets.py), or the word bundled: the bundled competition, trained for as
many epochs as the lesson. For each set the recipe runs in a fresh clone, then again with each
change of VARIANTS; DVC runs what the change touches. A line a variant is printed when it is there
and kept in FILE, from which an interrupted run goes on; at the end comes a Markdown table. --only
takes variants by how their names begin.

Differences are the variant less the recipe, on the same rows of all folds, with 95 % bootstrap
intervals over the rows (`repodium compare`). They know nothing of chance in training: what the
variants with another seed differ by, any variant may. And of twenty variants that change nothing
the intervals of one would leave out zero.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks import sets
from benchmarks.kills import environment
from stages.base import params, paths
from stages.base.settings import Settings
from stages.scoring import comparison, out_of_fold
from stages.scoring.comparison import Verdict
from stages.scoring.decisions import Question
from stages.scoring.out_of_fold import Table
from tests.project import edit, stages_run

ROOT = Path(__file__).parent.parent
Changes = dict[str, Any]  # dotted keys of params.yaml, and their values
Row = dict[str, Any]  # what FILE has of a variant

BASELINE, BUNDLED = "the recipe", "bundled"
SMALL = "head.image_size"  # a value that stands for the recipe's
FIRST_SIZE = 96  # pixels, of a set; the second is the 128 of sets.params
SHOWN = 15  # lines of DVC's that an error shows

STEPS: dict[str, Changes] = {  # the lesson's, by their numbers there, off or done otherwise
    # Without TTA, whose views would differ by the place of the crop at most: beside "TTA: none".
    "1: no augmentation":
        {"transforms.augment": "none", "transforms.max_zoom": 1.0, "tta.augmented": 0},
    "2: the head's rate by the finder": {"find_lr.before": ["head"], "head.fits.0.lr": "auto"},
    "3: no head on activations": {"head.fits": []},
    "4: no augment stage": {"augment.fits": []},
    "4: neither augment nor progressive": {"augment.fits": [], "progressive.steps": []},
    "5: no unfreezing": {"unfreeze.fits": []},
    "6: one rate for all layers: the middle": {"unfreeze.fits.0.lr": 0.01},
    "6: one rate for all layers: the highest": {"unfreeze.fits.0.lr": 0.03},
    "7: unfreeze's rates by the finder":
        {"find_lr.before": ["unfreeze"], "unfreeze.fits.0.lr": "auto"},
    "8: seven cycles of one epoch": {"unfreeze.fits.0.cycles": 7, "unfreeze.fits.0.cycle_mult": 1},
    "8: seven epochs at a constant rate":
        {"unfreeze.fits.0.cycles": 7, "unfreeze.fits.0.cycle_mult": 1,
         "unfreeze.fits.0.cycle_len": None},
    "sizes: the small one alone": {"progressive.steps": [], "unfreeze.image_size": SMALL},
    "TTA: none": {"tta.augmented": 0},
}  # fmt: skip
LATER: dict[str, Changes] = {  # what came after the lesson
    "oversample 1": {"batches.oversample": 1.0},
    "class_weights balanced": {"loss.class_weights": "balanced"},
    "focal_gamma 2": {"loss.focal_gamma": 2.0},
    "label_smoothing 0.1": {"loss.label_smoothing": 0.1},
    "mixup 0.2": {"batches.mixup": 0.2},
    "cutmix 1": {"batches.cutmix": 1.0},
    "adamw": {  # a hundredth of every rate; its decay times its rate is what it takes off a step,
        # so that the head needs more of it: the best of 0.01, 1, 3 and 10 on stamps, folds 0 to 2
        "optimizer.name": "adamw", "head.fits.0.lr": 1e-3, "head.fits.0.weight_decay": 3.0,
        "augment.fits.0.lr": 1e-4, "progressive.steps.0.fits.0.lr": 1e-4,
        "unfreeze.fits.0.lr": [1e-5, 1e-4, 3e-4],
    },
    "one_cycle of seven epochs":
        {"unfreeze.fits.0.schedule": "one_cycle", "unfreeze.fits.0.cycles": 1,
         "unfreeze.fits.0.cycle_len": 7, "unfreeze.fits.0.cycle_mult": 1},
    "ema 0.99": {"optimizer.ema": 0.99},  # 0.999 remembers longer than most fits here last
    "layer_decay 0.75": {"optimizer.layer_decay": 0.75, "unfreeze.fits.0.lr": 0.03},
    "freeze_batchnorm": {"model.freeze_batchnorm": True},
    "head.views 8": {"head.views": 8},
    "snapshots' predictions": {"unfreeze.cycle_save": True, "tta.snapshots": "predictions"},
    "snapshots' weights": {"unfreeze.cycle_save": True, "tta.snapshots": "weights"},
    "snapshots' predictions, seven cycles of one epoch":
        {"unfreeze.cycle_save": True, "tta.snapshots": "predictions",
         "unfreeze.fits.0.cycles": 7, "unfreeze.fits.0.cycle_mult": 1},
    "temperature tuned": {"blend.temperature": "tuned"},
    "clip tuned": {"blend.clip": "tuned"},
}  # fmt: skip
CHANCE: dict[str, Changes] = {"another seed: 43": {"seed": 43}, "another seed: 44": {"seed": 44}}
VARIANTS = STEPS | LATER | CHANCE
METRICS = ("log_loss", "accuracy")


@click.command()
@click.argument("names", metavar="SET...", nargs=-1, required=True)
@click.option("--folds", default="0,1", show_default=True)
@click.option("--only", default="", help="Variants, by how their names begin; all unless given.")
@click.option("--out", type=Path, default=ROOT / "work/benchmarks/ablation.jsonl")
def main(names: tuple[str, ...], folds: str, only: str, out: Path) -> None:
    """Print a line a variant and set, and a table; the exit status is 1 if a variant failed."""
    chosen = {n: c for n, c in VARIANTS.items() if n.startswith(tuple(only.split(",")))}
    if not chosen:
        raise click.BadParameter(f"no variant begins so; there are {', '.join(VARIANTS)}.")
    numbers = [int(number) for number in folds.split(",")]
    recipes = {Path(name).name: recipe(name, numbers) for name in names}
    found = {}
    for name, document in recipes.items():
        for row in ablate(name, document, chosen, out):
            found[row["variant"], name] = row
            click.echo(line(row))
    click.echo("\n" + table(found, [BASELINE, *chosen], list(recipes)))
    raise SystemExit(len(found) < (len(chosen) + 1) * len(recipes))


def recipe(name: str, folds: list[int]) -> dict:
    """The params that the variants change; a set's are at two sizes, as the bundled ones.

    The finder runs for the variants alone that heed it: it changes nothing for the others.
    """
    if name == BUNDLED:
        document = sets.bundled()
    elif Path(name).is_dir():
        document = sets.params(Path(name).name, Path(name))
        document["head"]["image_size"] = document["augment"]["image_size"] = FIRST_SIZE
        if document["competition"]["slug"] in sets.MIRRORED:
            document["transforms"]["augment"] = "side_on"
    else:
        raise click.BadParameter(f"{name} is neither a set's folder nor the word {BUNDLED}.")
    document["folds"], document["find_lr"]["before"] = folds, []
    return document


def ablate(name: str, document: dict, chosen: dict[str, Changes], out: Path) -> Iterator[Row]:
    """A row a variant of a set, the recipe's first: those that FILE has, then trained ones."""
    variants, known = {BASELINE: {}} | chosen, recorded(out)
    with TemporaryDirectory() as temporary:
        clone = Path(temporary) / "clone"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        keys = dict(zip(variants, identities(clone, document, variants), strict=True))
        yield from (known[key] for key in keys.values() if key in known)
        lacking = {n: c for n, c in chosen.items() if keys[n] not in known}
        if not lacking and keys[BASELINE] in known:
            return
        for variant, found in trained(clone, document, lacking):
            if keys[variant] not in known:
                yield record(out, {"set": name, "variant": variant, "key": keys[variant]} | found)


def recorded(out: Path) -> dict[str, Row]:
    """The rows of FILE by their keys."""
    lines = out.read_text().splitlines() if out.is_file() else []
    return {row["key"]: row for row in map(json.loads, lines)}


def record(out: Path, row: Row) -> Row:
    """Add a row to FILE."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a") as file:
        file.write(json.dumps(row) + "\n")
    return row


def identities(clone: Path, document: dict, variants: dict[str, Changes]) -> Iterator[str]:
    """A key a variant, of all that decides its row: the code, the recipe, the variant's params.

    Raises:
        ClickException: the params are not sound, or are the recipe's.

    """
    words = ["git", "rev-parse", "HEAD:stages", "HEAD:dvc.yaml"]
    code = subprocess.run(words, cwd=clone, check=True, capture_output=True, text=True).stdout
    plain = written(clone, document, {})
    for variant, changes in variants.items():
        changed = written(clone, document, changes)
        if changes and changed == plain:
            raise click.ClickException(f"{variant}: the recipe's params are these already.")
        text = code + plain.model_dump_json() + changed.model_dump_json()
        yield hashlib.sha256(text.encode()).hexdigest()[:16]


def written(clone: Path, document: dict, changes: Changes) -> Settings:
    """Write the recipe's params with these changes into the clone, and read them, checked."""
    path, small = clone / paths.PARAMS, document["head"]["image_size"]
    sets.write_params(path, document)
    edit(path, **{key: small if value == SMALL else value for key, value in changes.items()})
    return params.read(path)


def trained(clone: Path, document: dict, variants: dict[str, Changes]) -> Iterator[tuple]:
    """Each variant with its row, the recipe first, which all are compared with.

    A variant that fails is told and left out.
    """
    before, about = reproduce(clone, document, {})
    yield BASELINE, about | compared(before, before)
    for variant, changes in variants.items():
        try:
            after, about = reproduce(clone, document, changes)
        except click.ClickException as error:
            click.echo(f"{variant}: {error.message}", err=True)
        else:
            yield variant, about | compared(before, after)


def reproduce(clone: Path, document: dict, changes: Changes) -> tuple[Table, Row]:
    """The out-of-fold rows of the recipe with these changes, and which stages ran how long.

    Raises:
        ClickException: DVC failed, or had nothing to do.

    """
    written(clone, document, changes)
    output, seconds = repro(clone)
    if not (stages := stages_run(output)):
        raise click.ClickException("dvc repro ran no stage.")
    text = (clone / paths.OUT_OF_FOLD).read_text(encoding="utf-8")
    about = {"changes": changes, "stages": stages, "seconds": round(seconds, 1)}
    return out_of_fold.parse(io.StringIO(text)), about


def repro(clone: Path) -> tuple[str, float]:
    """Run what the params touch; DVC's output, and seconds.

    Raises:
        ClickException: DVC failed.

    """
    start = time.perf_counter()
    ran = subprocess.run(["dvc", "repro", "submission"], cwd=clone, env=environment(clone),
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
    if ran.returncode:
        last = "\n".join(ran.stdout.splitlines()[-SHOWN:])
        raise click.ClickException(f"dvc repro failed:\n{last}")
    return ran.stdout, time.perf_counter() - start


def compared(before: Table, after: Table) -> Row:
    """Each metric, its difference from the recipe's on the same rows, and the verdict."""
    return {
        metric: figures(comparison.compare(before, after, Question(metric, "multiclass")))
        for metric in METRICS
    }


def figures(found: Verdict) -> Row:
    """A verdict in plain values."""
    d = found.difference
    return {
        "rows": found.rows, "value": found.b, "difference": d.value, "low": d.low, "high": d.high,
        "word": found.word if d.error else "the same",
    }  # fmt: skip


def line(row: Row) -> str:
    """A variant's row for people."""
    scores = "  ".join(f"{m.replace('_', ' ')} {said(row, m):<50}" for m in METRICS)
    return f"{row['set']:<8}{row['variant']:<42}{scores}{row['seconds']:7.1f} s"


def said(row: Row, metric: str) -> str:
    """A score, and of a variant how far it is from the recipe's."""
    f = row[metric]
    if row["variant"] == BASELINE:
        return f"{f['value']:.3f} on {f['rows']} rows"
    return f"{f['value']:.3f}, {spread(f)}, {f['word']}"


def spread(f: Row) -> str:
    """A difference and its interval."""
    return f"{f['difference']:+.3f} ({f['low']:+.3f} to {f['high']:+.3f})"


def table(found: dict[tuple[str, str], Row], variants: list[str], names: list[str]) -> str:
    """A Markdown table: a row a variant, of each set both metrics, in bold beyond noise."""
    columns = [(name, metric) for name in names for metric in METRICS]
    heading = ["", *(f"{name}: {metric.replace('_', ' ')}" for name, metric in columns)]
    body = [[v, *(cell(found.get((v, n)), metric) for n, metric in columns)] for v in variants]
    lines = [heading, ["---"] * len(heading), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def cell(row: Row | None, metric: str) -> str:
    """One variant's difference on one set; of the recipe, its score."""
    if row is None:
        return "failed"
    if row["variant"] == BASELINE:
        return f"{row[metric]['value']:.3f}"
    text = spread(row[metric])
    return f"**{text}**" if row[metric]["word"] in ("better", "worse") else text


if __name__ == "__main__":
    main()
