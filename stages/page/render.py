"""The page itself: the template, filled with what the run left, in one file."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from pydantic import BaseModel
from ruamel.yaml import YAML

from stages.base import paths, records
from stages.page import pictures, score, tables, training
from stages.page.tables import Table

PAIRS, CLASSES, FIRST_ROWS = 15, 200, 3  # rows that are shown
LONG = 20  # rows, from which a table is shown when it is asked for
COLUMNS = 12  # of the submission
HANDED_IN = ("date", "ref", "commit", "metric", "cv", "public", "private", "status")
NEWEST = 20  # submissions that are shown
DATA = ("explore", "split", "screen", "resize")
REPEATED = ("rows", "training_images", "images", "bytes", "files")  # other names say the same
COPIES = "duplicates.png"
NO_COPIES = "No image is a copy of another."
SECTIONS = {
    "score": "Score",
    "training": "Training",
    "data": "Data",
    "mistakes": "Mistakes",
    "blend": "Blend",
    "submission": "Submission",
    "params": "Params",
}


@dataclass(frozen=True)
class Page:
    """A page, and how many pictures and charts it has."""

    html: str
    pictures: int
    charts: int


def page(s: SimpleNamespace) -> Page:
    """The whole page of a run with the params `s`."""
    folds = [training.fold(str(name)) for name in s.folds]
    without = [] if any_copies() else [COPIES]
    shown = {name: [*pictures.of(name, without)] for name in SECTIONS}
    html = template().render(
        sections=SECTIONS,
        slug=s.competition.slug,
        task=s.competition.task,
        folds=folds,
        pictures=shown,
        **about_score(s.competition.metric),
        **about_data(),
        **about_mistakes(),
        **about_submission(s),
        blend=tables.facts(records.read_metrics("blend")),
        machines=training.machines([fold.name for fold in folds]),
        backbone=tables.facts(records.read_metrics("backbone")),
        params=as_yaml(s),
    )
    return Page(html, sum(map(len, shown.values())), sum(len(fold.charts) for fold in folds))


def template() -> Template:
    """The template; what is put into it is escaped, and nothing may be missing."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html")


def about_score(metric: str) -> dict[str, Any]:
    """The score and its interval."""
    found = records.read_metrics("submission")
    return {"score": [*score.sentences(metric, found)], "others": score.others(metric, found)}


def any_copies() -> bool:
    """Whether images were found that are copies of others."""
    found = records.read_metrics("duplicates")
    return bool(found["exact"] + found["near"])


def about_data() -> dict[str, Any]:
    """What the images and labels are, and the copies among them."""
    found = tables.facts(*map(records.read_metrics, DATA), without=REPEATED)
    copies = tables.facts(records.read_metrics("duplicates")) if any_copies() else []
    advice = paths.ADVICE.read_text(encoding="utf-8").splitlines()
    return {"data": found, "advice": advice, "copies": copies, "no_copies": NO_COPIES}


def about_mistakes() -> dict[str, Any]:
    """The tables of what was confused, and of the classes."""
    found = [
        tables.of_file("Most confused", pictures.REPORTS / "most_confused.csv", PAIRS),
        tables.of_file("Each class", pictures.REPORTS / "per_class.csv", CLASSES),
    ]
    return {"mistakes": [table for table in found if table], "long": LONG}


def about_submission(s: SimpleNamespace) -> dict[str, Any]:
    """The file, what is known of it, and its first rows."""
    path, found = paths.SUBMISSIONS / s.submission.file, records.read_metrics("submission")
    scores = [name for name in found if name.startswith("cv_")]
    first = tables.of_file(f"The first rows of {path.as_posix()}", path, FIRST_ROWS)
    return {
        "file": path.as_posix(),
        "submission": tables.facts(found, without=[*scores, "validation_rows"]),
        "first": first and narrowed(first),
        "handed_in": handed_in(s.competition.slug),
    }


def handed_in(slug: str) -> Table | None:
    """What was submitted to the competition before, and what it scored; None if nothing was."""
    rows = [row for row in tables.read(paths.LEDGER) if row["competition"] == slug]
    cells = [[tables.shortened(row[name]) for name in HANDED_IN] for row in rows[-NEWEST:]]
    return Table("Submitted so far, the newest last", HANDED_IN, cells) if rows else None


def narrowed(table: Table) -> Table:
    """A table without the columns that nobody would scroll to."""
    if len(table.columns) <= COLUMNS:
        return table
    caption = f"{table.caption}, {COLUMNS} of {len(table.columns)} columns"
    return Table(caption, table.columns[:COLUMNS], [row[:COLUMNS] for row in table.rows])


def as_yaml(s: SimpleNamespace) -> str:
    """The params that made the run, as params.yaml has them, without the machine's."""
    groups = {name: plain(value) for name, value in vars(s).items() if name != "runtime"}
    yaml, text = YAML(typ="safe", pure=True), StringIO()
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    yaml.dump(groups, text)
    return text.getvalue()


def plain(value: Any) -> Any:
    """A group of params as YAML takes it."""
    return value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value
