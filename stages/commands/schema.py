"""`repodium schema`: the schema of params.yaml, for editors and for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from stages.base import pipeline
from stages.shell.command import Command

Schema = dict[str, Any]

TOP = """\
# params.yaml, key by key

Made from the schema by `repodium schema --markdown`. Every key is required, unless it has a default
here; an unknown one is refused with the nearest right name. *Runs again* is the first stage that a
change of the key runs again; what follows it runs again only if the stage's results changed.
"""
LIMITS = {
    "minimum": "from {}", "exclusiveMinimum": "above {}",
    "maximum": "to {}", "exclusiveMaximum": "below {}",
}  # fmt: skip
WORDS = {"string": "text", "boolean": "`true`, `false`", "null": "`null`"}


@click.command(
    cls=Command,
    examples={
        "repodium schema > recipes/params.schema.json": "where params.yaml looks for it",
        "repodium schema --markdown > docs/params.md": "a page to read",
    },
)
@click.option(
    "--markdown", is_flag=True, help="As a page to read: each key, its values, what runs."
)
def command(markdown: bool) -> None:
    """Print the JSON schema of params.yaml, for editors.

    They complete its keys by it, and mark what is not sound.
    """
    from stages.base.settings import Settings

    schema = Settings.model_json_schema()
    click.echo("\n".join(page(schema)) if markdown else json.dumps(schema, indent=1))


def page(schema: Schema) -> Iterator[str]:
    """The lines of docs/params.md: a table a group, single keys first."""
    readers, groups = read_by(), schema["$defs"]
    single = {name: about for name, about in schema["properties"].items() if "$ref" not in about}
    yield TOP
    yield from _table("", single, readers)
    for name, about in schema["properties"].items():
        if name not in single:
            group = groups[_target(about)]
            said = about.get("description") or group["description"]
            yield f"\n## {name}\n\n{said}\n"
            yield from _table(f"{name}.", group["properties"], readers)
    for name in ("Fit", "Step"):
        yield f"\n## {name}\n\n{groups[name]['description']}\n"
        yield from _table("", groups[name]["properties"], {})


def _table(prefix: str, keys: Schema, readers: dict[str, list[str]]) -> Iterator[str]:
    heading = ["key", "values", "meaning", *(["runs again"] if readers else [])]
    yield f"| {' | '.join(heading)} |\n|{'---|' * len(heading)}"
    for key, about in keys.items():
        default = f"; default {json.dumps(about['default'])}" if "default" in about else ""
        cells = [f"`{key}`", values(about) + default, about["description"]]
        cells += [first_reader(prefix + key, readers)] if readers else []
        yield f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|").replace("<", "&lt;")


def values(about: Schema) -> str:
    """What a key may be, in words."""
    if "anyOf" in about:
        return " or ".join(values(one) for one in about["anyOf"])
    if named := about.get("enum") or [about[k] for k in ("const",) if k in about]:
        return ", ".join(f"`{name}`" for name in named)
    if "$ref" in about:
        return f"[{_target(about)}](#{_target(about).lower()})"
    if about["type"] == "array":
        return f"a list of: {values(about['items'])}"
    if "pattern" in about:
        return f"text like `{about['pattern']}`"
    limits = [words.format(about[name]) for name, words in LIMITS.items() if name in about]
    return " ".join([WORDS.get(about["type"], about["type"]), *limits])


def _target(about: Schema) -> str:
    return about["$ref"].rpartition("/")[2]


def read_by() -> dict[str, list[str]]:
    """The keys and groups that each stage of dvc.yaml declares, in the pipeline's order.

    A new fold is a new stage, which runs.
    """
    return {
        name: [*stage.get("params", []), *(["folds"] if "matrix" in stage else [])]
        for name, stage in pipeline.stages().items()
    }


def first_reader(key: str, readers: dict[str, list[str]]) -> str:
    """The first stage that declares a key, or the group that it is in; of `runtime` none does."""
    names = {key, key.partition(".")[0]}
    return next((f"`{stage}`" for stage, keys in readers.items() if names & {*keys}), "nothing")
