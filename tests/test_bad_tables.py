"""Bad tables, through the real stages: refused in one sentence, or carried to the submission."""

from __future__ import annotations

import csv
import io
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stages.base import consistency
from stages.scoring import bootstrap
from tests.layouts import picture
from tests.project import PER_FOLD, STAGES, edit, run_all, run_stage, write_project

QUICK = {
    "competition.suffix": ".jpg", "split.val_pct": 0.5, "resize.shorter_side": 32,
    "head.image_size": 32, "head.fits": [{"lr": 0.01, "cycles": 1}], "find_lr.before": [],
    "augment.image_size": 32, "augment.fits": [], "progressive.steps": [],
    "unfreeze.image_size": 32, "unfreeze.fits": [{"lr": 0.001, "cycles": 1}], "tta.augmented": 1,
}  # fmt: skip
ALTERNATE = [(f"{i}", ("box", "pug")[i % 2]) for i in range(8)]
TESTS = ["t0", "t1", "t2", "t3"]
COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"
REGRESSION = {"competition.task": "regression", "competition.metric": "rmse"}
TAGS = {"competition.task": "multilabel", "competition.metric": "f2",
        "competition.label_separator": " "}  # fmt: skip
FLAGS = {"competition.task": "multilabel", "competition.metric": "auc",
         "competition.label_columns": ["x", "y", "z"]}  # fmt: skip


def table(*rows: tuple[str, ...]) -> str:
    """A csv."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def labelled(labels: str | list[str], header: str = "label") -> str:
    """A labels.csv of images 0, 1, 2 ..."""
    return table(("id", header), *[(str(i), label) for i, label in enumerate(labels)])


def sample(ids: list[str], *columns: str) -> str:
    """A sample submission."""
    return table(("id", *columns), *[(name, *["0.5"] * len(columns)) for name in ids])


@dataclass(frozen=True)
class Case:
    """A competition that differs from a sound one."""

    labels: str = table(("id", "label"), *ALTERNATE)
    sample: str = sample(TESTS, "box", "pug")
    train: list[str] = field(default_factory=lambda: [name for name, _ in ALTERNATE])
    test: list[str] = field(default_factory=lambda: TESTS)
    params: dict = field(default_factory=dict)

    def project(self, folder: Path) -> Path:
        """A project that enters it."""
        texts = {"labels.csv": self.labels, "sample_submission.csv": self.sample}
        files = {name: text.encode() for name, text in texts.items()}
        images = [f"train/{n}.jpg" for n in self.train] + [f"test/{n}.jpg" for n in self.test]
        files |= {name: picture(i, "jpg") for i, name in enumerate(images)}
        for name, data in files.items():
            path = folder / "source" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        changes = QUICK | {"folds": [0, 1]} | self.params
        return write_project(folder / "p", folder / "source", **changes)


def run(folder: Path, folds: list[str]) -> tuple[int, str]:
    """Run the stages up to the first that is refused: exit status and all that was printed."""
    said = ""
    for stage in STAGES:
        for fold in folds if stage in PER_FOLD else [None]:
            result = run_stage(folder, stage, *([fold] if fold else []))
            said += result.output
            if result.exit_code:
                return result.exit_code, said
    return 0, said


def submitted(folder: Path) -> list[list[str]]:
    """The rows of the submission, header first."""
    return [*csv.reader(io.StringIO((folder / "submissions/submission.csv").read_text()))]


REFUSED = {
    "a row without an image": (
        Case(labels=labelled("ababababa")),
        "1 of 9 ids have no image in 'train', the first is '8'",
    ),
    "rows that contradict": (
        Case(labels=table(("id", "label"), *ALTERNATE, ("3", "box"))),
        "labels 1 images in more than one way, the first is 'train/3.jpg' with 'pug' and 'box'",
    ),
    "no label": (
        Case(labels=labelled(["a", "", "b", " ", "a", "b", "a", "b"])),
        "labels.csv: no label for id '1', the first of 2 such rows; mend it or take it out.",
    ),
    "a short row": (
        Case(labels="id,label\n0,a\n1\n2,b\n"),
        "labels.csv is not a csv: line 3: 1 cells under a header of 2; mend that line.",
    ),
    **{
        f"the number {cell!r}": (
            Case(labels=labelled(["1", "2", cell, cell]), params=REGRESSION),
            f"labels.csv: {cell!r} is not a number for id '2', the first of 2 such rows; mend",
        )
        for cell in ("", "nan", "NaN", "NA", "None", "null", "inf", "-inf")
    },
    "a number beyond float32": (
        Case(labels=labelled(["1", "2", "1e39"]), params=REGRESSION),
        "'1e39' is too large a number to train towards for id '2'",
    ),
    "one number alone": (
        Case(labels=labelled(["5", "5.0", "5"]), params=REGRESSION),
        "every label is '5'; there must be two or more: check labels.csv.",
    ),
    **{
        f"the flag {cell!r}": (
            Case(labels=f"id,x,y,z\n0,1,0,1\n1,{cell},0,0\n", params=FLAGS),
            f"labels.csv: column x is {cell!r} instead of 0 or 1 for id '1'; mend it",
        )
        for cell in ("", "nan", "None")
    },
    "a class in two spellings": (
        Case(labels=labelled([COMPOSED, DECOMPOSED, "a", "b"])),
        r"spells 1 classes in more than one way, the first as 'cafe\u0301' and 'caf\xe9'",
    ),
    "labels without rows": (
        Case(labels="id,label\n"),
        "labels.csv has no rows, only a header; put the whole file in its place.",
    ),
    "labels with semicolons": (
        Case(labels=labelled("abab").replace(",", ";")),
        "labels.csv has ';' between its cells; save it with commas.",
    ),
    "labels with tabs": (
        Case(labels=labelled("abab").replace(",", "\t")),
        r"labels.csv has '\t' between its cells; save it with commas.",
    ),
    "two columns of labels": (
        Case(labels="id,label,label\n0,a,b\n1,b,a\n"),
        "labels.csv has more than one column 'label'; take out all but one.",
    ),
    "a sample without rows": (
        Case(sample="id,box,pug\n"),
        "sample_submission.csv has no rows, only a header; put the whole file in its place.",
    ),
    "a sample with semicolons": (
        Case(sample=sample(TESTS, "box", "pug").replace(",", ";")),
        "sample_submission.csv has ';' between its cells; save it with commas.",
    ),
    "a sample with empty ids": (
        Case(sample=sample([*TESTS, "", " "], "box", "pug")),
        "2 of 6 rows have no id, the first is row 5 after the header; take them out.",
    ),
    "a sample with two columns of one name": (
        Case(sample=sample(TESTS, "box", "pug", "pug")),
        "sample_submission.csv has more than one column 'pug'; take out all but one.",
    ),
}


@pytest.mark.parametrize(("case", "sentence"), REFUSED.values(), ids=REFUSED)
def test_split_refuses_in_one_sentence_and_writes_nothing(tmp_path, case, sentence):
    folder = case.project(tmp_path)
    status, said = run(folder, ["0"])
    assert status == 1
    assert sentence in said.splitlines()[-1]
    assert said.count("Error: ") == 1
    assert not [*folder.glob("data/*.csv"), *folder.glob("metrics/split.json")]


CARRIED = {
    "images without a label": (
        Case(labels=table(("id", "label"), *ALTERNATE[:6])),
        "2 images in 'train' have no label, the first is 'train/6.jpg': they are not trained on.",
    ),
    "a row repeated": (
        Case(labels=table(("id", "label"), *ALTERNATE, ALTERNATE[3])),
        "1 rows of labels.csv repeat others and are left out.",
    ),
    "names that pandas takes for missing": (
        Case(labels=labelled(["NA", "None", "null", "nan"] * 2),
             sample=sample(TESTS, "NA", "None", "null", "nan")),
        "'NA' is taken for the name of a class, of 2 rows: if it means that there is no label, "
        "take those rows out of labels.csv.",
    ),
    "classes of odd names": (
        Case(labels=labelled([DECOMPOSED, "id", '\U0001f600, "x" ', "007"] * 2),
             sample=sample(TESTS, COMPOSED, "id", '\U0001f600, "x"', "007")),
        "",
    ),
    "images under decomposed names, as macOS zips them": (
        Case(sample=sample([COMPOSED, "b"], "box", "pug"), test=[DECOMPOSED, "b"]),
        "",
    ),
    "composed images of decomposed ids": (
        Case(sample=sample([DECOMPOSED, "b"], "box", "pug"), test=[COMPOSED, "b"]),
        "",
    ),
    "ids with spaces at their ends": (
        Case(sample=sample([" a", "b ", " c "], "box", "pug"), test=["a", "b ", " c "]),
        "",
    ),
    "ids that repeat": (
        Case(sample=sample(["t0", "t1", "t0"], "box", "pug"), test=["t0", "t1"]),
        "1 ids are in sample_submission.csv more than once, the first is 't0': each of their rows "
        "gets the same prediction.",
    ),
    "a class of one row": (
        Case(labels=labelled("abababac"), sample=sample(TESTS, "a", "b", "c")),
        "1 classes have all their rows in one fold, the first is 'c' in fold 0: that fold's model "
        "is validated on them but cannot learn them; train other folds too, or full.",
    ),
    "cells without tags": (
        Case(labels=labelled(["x y", "", " ", "y x", "x", "y", "", "y"]),
             sample=table(("id", "label"), *[(name, "x") for name in TESTS]), params=TAGS),
        "",
    ),
    "a tag never and a tag always": (
        Case(labels=table(("id", "x", "y", "z"), *[(str(i), "1", "0", str(i % 2)) for i in
                                                   range(8)]),
             sample=sample(TESTS, "x", "y", "z"), params=FLAGS),
        "1 classes have no row, the first is 'y': they are not learned.",
    ),
    "three rows in all": (Case(labels=labelled("aba"), sample=sample(TESTS, "a", "b")), ""),
}  # fmt: skip


def unfounded(token: str) -> None:
    """Refuse what JSON does not know: NaN and the infinities."""
    raise AssertionError(token)


@pytest.mark.filterwarnings("ignore:AUC leaves out")
@pytest.mark.parametrize(("case", "sentence"), CARRIED.values(), ids=CARRIED)
def test_what_is_odd_is_told_and_carried_to_the_submission(tmp_path, case, sentence):
    folder = case.project(tmp_path)
    status, said = run(folder, ["0", "1"])
    assert status == 0, said
    assert not sentence or sentence in said.splitlines()
    wanted = [*csv.reader(io.StringIO(case.sample))]
    assert submitted(folder)[0] == wanted[0]
    assert [row[0] for row in submitted(folder)] == [row[0] for row in wanted]
    for path in folder.glob("metrics/**/*.json"):
        json.loads(path.read_text(), parse_constant=unfounded)


ODD = ["a b", "a,b", 'a"b', "caf\u00e9", "cafe\u0301x", "\U0001f600", "007", "7", "1e5", "1.0",
       "1", "NA", "nan", "None", "null", "True", "-1", "x" * 200]  # fmt: skip


@pytest.mark.parametrize("suffix", [".jpg", "auto"])
def test_the_submission_holds_the_samples_ids_to_the_byte(tmp_path, suffix):
    labels = table(("id", "label"), *[(name, "box" if i % 2 else "pug") for i, name in
                                      enumerate(ODD)])  # fmt: skip
    given = {"competition.suffix": suffix, "folds": [0]}
    case = Case(labels, sample(ODD[::-1], "pug", "box"), ODD, ODD, given)
    folder = case.project(tmp_path)
    status, said = run(folder, ["0"])
    assert status == 0, said
    lines = (folder / "submissions/submission.csv").read_text().splitlines()
    starts = [line.removesuffix("0.5,0.5") for line in case.sample.splitlines()]
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=True))


def test_the_name_of_a_class_may_be_one_for_missing_values(tmp_path):
    wanted = table(("id", "label"), *[(name, "none") for name in TESTS])
    case = Case(labelled(["NA", "None"] * 4), wanted, params={"competition.metric": "accuracy"})
    folder = case.project(tmp_path)
    assert run(folder, ["0", "1"])[0] == 0
    assert {cell for _, cell in submitted(folder)[1:]} <= {"NA", "None"}


def test_one_row_to_train_on_is_too_few_for_a_fold(tmp_path):
    folder = Case(labels=labelled("ab"), sample=sample(TESTS, "a", "b")).project(tmp_path)
    status, said = run(folder, ["0"])
    assert status == 1
    assert said.splitlines()[-1] == (
        "Error: fold 0 has 1 row to train on, and BatchNorm needs 2; label more images, or set "
        "folds to [full]."
    )
    assert not (folder / "data/models/0/head.safetensors").exists()


NAMED = ("label",)
LOPSIDED = {
    "multiclass": (labelled("aaaaaabc"), ("a", "b", "c"), ["label"]),
    "multilabel": (
        table(("id", "x", "y", "z"), *[(str(i), "1", "0", str(i // 7)) for i in range(8)]),
        ("x", "y", "z"), ["x", "y", "z"],
    ),
    "regression": (labelled("00000001"), NAMED, ["label"]),
}  # fmt: skip
"""Every fold lacks a class, a tag or a spread on one side: labels, columns asked for and given."""


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A project a task, predicted by two folds."""
    found = {}
    with warnings.catch_warnings(action="ignore"):
        for task, (labels, columns, given) in LOPSIDED.items():
            metric = "rmse" if task == "regression" else "log_loss"
            params = {"task": task, "metric": metric, "label_columns": given}
            changes = {f"competition.{key}": value for key, value in params.items()}
            case = Case(labels, sample(TESTS, *columns), params=changes)
            found[task] = case.project(tmp_path_factory.mktemp(task))
            assert run(found[task], ["0", "1"])[0] == 0
    return found


@pytest.mark.filterwarnings("ignore:AUC leaves out")
@pytest.mark.parametrize("folds", [[0], [1], [0, 1]], ids=str)
@pytest.mark.parametrize(
    ("task", "metric"), [(task, m) for task, names in consistency.METRICS.items() for m in names]
)
def test_every_metric_of_lopsided_folds_is_a_number_or_none(
    predicted, task, metric, folds, monkeypatch
):
    monkeypatch.setattr(bootstrap, "MOST", bootstrap.FEWEST)  # of 4 rows there are few samples
    folder = predicted[task]
    columns = NAMED if metric.startswith("map@") else LOPSIDED[task][1]
    source = folder.parent / "source/sample_submission.csv"
    source.write_text(sample(TESTS, *columns))
    edit(folder / "params.yaml", **{"competition.metric": metric, "folds": folds})
    run_all(folder, [], ["fetch", "submission"])
    found = json.loads((folder / "metrics/submission.json").read_text(), parse_constant=unfounded)
    scores = {name: value for name, value in found.items() if name.startswith("cv_")}
    assert f"cv_{metric}" in scores
    undefined = {name for name, value in scores.items() if value is None}
    assert undefined <= {"cv_auc"}
