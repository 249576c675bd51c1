"""dvc.yaml: complete, and what each edit reruns, through the real DVC."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.base.params import keys as schema_keys
from stages.page import pictures
from tests.project import (
    PER_FOLD,
    ROOT,
    STAGES,
    dvc,
    edit,
    stages_run,
    write_repository,
)

PIPELINE = YAML(typ="safe").load(ROOT / "dvc.yaml")
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")
ROOMS = {  # each imports from those before it alone
    "base": 0, "rows": 1, "images": 1, "scoring": 2, "figures": 2, "competition": 3, "copies": 4,
    "looking": 4, "model": 4, "fit": 5, "learner": 6, "page": 6, "shell": 1, "commands": 8,
}  # fmt: skip
STAGE = 7


def module_of(stage: str) -> str:
    return "find_lr" if stage.startswith("find_lr_") else stage


def imported(file: Path) -> Iterator[Path]:
    """The project's files that a file imports, packages left out: theirs hold a docstring alone."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        else:
            continue
        for name in names:
            path = ROOT / (name.replace(".", "/") + ".py")
            if name.startswith("stages") and path.exists():
                yield path


def closure(file: Path) -> set[str]:
    """Every file of the project that running `file` imports, and itself."""
    seen, todo = set(), [file]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += imported(file)
    return {str(f.relative_to(ROOT)) for f in seen}


def leaves(node: object, prefix: str = "") -> Iterator[str]:
    if not isinstance(node, dict):
        yield prefix
        return
    for key, value in node.items():
        yield from leaves(value, f"{prefix}.{key}" if prefix else key)


@pytest.mark.parametrize("stage", PIPELINE["stages"])
def test_code_dependencies_are_what_the_stage_imports(stage: str) -> None:
    declared = {d for d in PIPELINE["stages"][stage]["deps"] if d.startswith("stages/")}
    needed = closure(ROOT / "stages" / f"{module_of(stage)}.py")
    assert {f for f in needed if not {f, str(Path(f).parent)} & declared} == set()
    assert declared <= needed | {str(Path(f).parent) for f in needed}


def test_packages_hold_a_docstring_alone_for_no_stage_lists_them() -> None:
    for file in ROOT.glob("stages/*/**/__init__.py"):
        body = ast.parse(file.read_text()).body
        assert [type(node) for node in body] == [ast.Expr], file


def test_the_top_package_beside_sets_the_garbage_collector_which_changes_no_result() -> None:
    docstring, *code = ast.parse((ROOT / "stages/__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert [ast.unparse(line) for line in code] == ["import gc", "gc.set_threshold(100000)"]


def test_names_of_stage_module_and_metrics_agree() -> None:
    assert list(PIPELINE["stages"]) == STAGES
    for name, stage in PIPELINE["stages"].items():
        assert stage["cmd"].startswith(f"python -m stages.{module_of(name)}")
        fold = "${item.fold}/" if name in PER_FOLD else ""
        assert stage["metrics"] == [{f"metrics/{fold}{name}.json": {"cache": False}}]
        assert ("matrix" in stage) == (name in PER_FOLD)


def test_no_shell_line_is_built_from_params() -> None:
    assert not [s["cmd"] for s in PIPELINE["stages"].values() if "$" in s["cmd"]]


def test_every_params_group_of_a_stage_is_named_after_it() -> None:
    shared = {
        "competition", "folds", "seed", "model", "optimizer", "loss", "batches", "transforms",
        "runtime",
    }  # fmt: skip
    modules = {module_of(stage) for stage in PIPELINE["stages"]}
    assert set(PARAMS) - shared <= modules


@pytest.mark.parametrize("stage", PIPELINE["stages"])
def test_declared_params_exist(stage: str) -> None:
    known = set(leaves(PARAMS)) | {k.rpartition(".")[0] for k in leaves(PARAMS)}
    assert set(PIPELINE["stages"][stage]["params"]) <= known


def test_every_param_but_runtime_is_declared_by_a_stage() -> None:
    declared = {p for stage in PIPELINE["stages"].values() for p in stage["params"]}
    known = [leaf for leaf in leaves(PARAMS) if not leaf.startswith("runtime.")]
    assert [leaf for leaf in known if not {leaf, leaf.rpartition(".")[0]} & declared] == []


def test_no_key_has_a_name_that_the_run_cache_leaves_out_of_its_key() -> None:
    parts = {part for key in schema_keys() for part in key.split(".")}
    assert not parts & {"size", "nfiles"}  # treeverse/dvc issue 10296


def test_rooms_import_downwards_alone() -> None:
    def floor(file: Path) -> int:
        return ROOMS.get(file.relative_to(ROOT / "stages").parts[0], STAGE)

    for room in ROOMS:
        for file in (ROOT / "stages" / room).glob("*.py"):
            for other in imported(file):
                assert floor(other) < floor(file) or other.parent == file.parent, (
                    f"{file} imports {other}"
                )


def test_the_report_shows_every_param_but_the_machines() -> None:
    assert set(PIPELINE["stages"]["report"]["params"]) == set(PARAMS) - {"runtime"}


def test_the_report_shows_every_picture_that_is_of_no_fold() -> None:
    outs = {out for stage in PIPELINE["stages"].values() for out in stage["outs"]}
    made = {out for out in outs if out.startswith("reports/") and out.endswith(".png")}
    made = {out for out in made if "$" not in out}
    assert made <= set(PIPELINE["stages"]["report"]["deps"])
    assert made <= {f"reports/{file}" for _, file, *_ in pictures.PICTURES}


# What each edit reruns; a stage of a fold stands without its fold, and `report` follows on any.
TRAINING = ["head", "augment", "progressive", "find_lr_unfreeze", "unfreeze"]
AFTER_TTA = ["blend", "interpret", "gradcam", "submission"]
END = ["tta", *AFTER_TTA]
AFTER_HEAD = [*TRAINING, *END]
ACTIVATIONS = ["precompute", "duplicates", "head_views", "find_lr_head", *AFTER_HEAD]
EDITS = {
    "runtime": ({"runtime.workers": 3}, []),
    "clip": ({"blend.clip": 0.001}, AFTER_TTA),
    "temperature": ({"blend.temperature": "tuned"}, AFTER_TTA),
    "metric": ({"competition.metric": "accuracy"}, AFTER_TTA),
    "threshold": ({"submission.threshold": "per_class"}, AFTER_TTA),
    "explained images": ({"gradcam.images": 2}, ["gradcam"]),
    "file": ({"submission.file": "other.csv"}, ["submission"]),
    "positive class": ({"competition.positive_class": "red"}, ["submission"]),
    "id column": (
        {"competition.id_column": "image"},
        ["split", "screen", "explore", "duplicates", "find_lr_head", *AFTER_HEAD],
    ),
    "tta views": ({"tta.augmented": 3}, END),
    "snapshots": ({"unfreeze.cycle_save": True}, ["unfreeze", *END]),
    "unfreeze rates": ({"unfreeze.fits": [{"lr": 0.003, "cycles": 1}]}, ["unfreeze", *END]),
    "unfreeze size": ({"unfreeze.image_size": 40}, ["find_lr_unfreeze", "unfreeze", *END]),
    "finder": ({"find_lr.end": 5.0}, ["find_lr_head", "find_lr_unfreeze"]),
    "group ratio": ({"find_lr.group_ratio": 3}, ["find_lr_head", *TRAINING[2:], *END]),
    "progressive size": (
        {"progressive.steps.0.image_size": 40},
        [*TRAINING[2:], *END],
    ),
    "augment": ({"augment.fits": []}, [*TRAINING[1:], *END]),
    "transforms": (
        {"transforms.max_zoom": 1.05},
        ["head_views", "find_lr_head", *AFTER_HEAD],
    ),
    "optimizer": ({"optimizer.name": "adamw"}, ["find_lr_head", *AFTER_HEAD]),
    "average": ({"optimizer.ema": 0.99}, ["find_lr_head", *AFTER_HEAD]),
    "loss": ({"loss.label_smoothing": 0.1}, ["find_lr_head", *AFTER_HEAD]),
    "class weights": ({"loss.class_weights": "balanced"}, ["find_lr_head", *AFTER_HEAD]),
    "oversample": ({"batches.oversample": 0.5}, ["find_lr_head", *AFTER_HEAD]),
    "mixup": ({"batches.mixup": 0.2}, [*TRAINING[1:], *END]),
    "schedule": (
        {"unfreeze.fits": [{"lr": 0.003, "cycles": 1, "cycle_len": 3, "schedule": "one_cycle"}]},
        ["unfreeze", *END],
    ),
    "head rate": ({"head.fits": [{"lr": 0.01, "cycles": 1}]}, AFTER_HEAD),
    "head batch": ({"head.batch_size": 16}, ["find_lr_head", *AFTER_HEAD]),
    "head size": ({"head.image_size": 40}, ["explore", *ACTIVATIONS]),
    "head views": ({"head.views": 2}, ["head_views", "find_lr_head", *AFTER_HEAD]),
    "seed": ({"seed": 1}, ["head_views", "find_lr_head", *AFTER_HEAD]),
    "split seed": (
        {"split.seed": 1},
        ["split", "screen", "explore", "duplicates", "find_lr_head", *AFTER_HEAD],
    ),
    "bad images": ({"screen.bad_images": "quarantine"}, ["split", "screen"]),
    "quality": ({"resize.quality": 80}, ["resize", "explore", *ACTIVATIONS]),
    "architecture": (
        {"model.architecture": "test_resnet"},
        ["backbone", "explore", *ACTIVATIONS],
    ),
    "pool": ({"model.pool": "avg"}, ACTIVATIONS),
    "copies": ({"duplicates.cosine": 0.9}, ["duplicates"]),
    "competition": (
        {"competition.slug": "other"},
        [stage for stage in STAGES if stage != "backbone"],
    ),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose pipeline has run, each command replaced by its stand-in."""
    folder = write_repository(tmp_path_factory.mktemp("base") / "r", Path("unused"))
    shutil.copy(ROOT / "tests" / "standin.py", folder / "standin.py")
    text = (folder / "dvc.yaml").read_text()
    for stage, definition in PIPELINE["stages"].items():
        fold = " ${item.fold}" if stage in PER_FOLD else ""
        text = text.replace(
            f"cmd: {definition['cmd']}\n", f"cmd: python standin.py {stage}{fold}\n"
        )
    (folder / "dvc.yaml").write_text(text)
    assert len(stages_run(dvc(folder, "repro"))) == len(STAGES)
    return folder


@pytest.fixture
def repository(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "r")


def reported(stages: list[str]) -> list[str]:
    """The stages, and `report`, which shows all params."""
    return [*dict.fromkeys([*stages, "report"])] if stages else []


def expected(stages: list[str], fold: int | str = 0) -> list[str]:
    return sorted(f"{stage}@{fold}" if stage in PER_FOLD else stage for stage in stages)


@pytest.mark.parametrize("edited", EDITS)
def test_an_edit_reruns_what_it_touches_and_nothing_else(repository: Path, edited: str) -> None:
    changes, stages = EDITS[edited]
    edit(repository / "params.yaml", **changes)
    assert sorted(stages_run(dvc(repository, "repro"))) == expected(reported(stages))


def test_a_comment_reruns_nothing(repository: Path) -> None:
    path = repository / "params.yaml"
    path.write_text(path.read_text() + "# a comment\n")
    assert stages_run(dvc(repository, "repro")) == []


def test_another_fold_runs_that_fold_alone_and_one_fewer_runs_none(repository: Path) -> None:
    edit(repository / "params.yaml", folds=[0, "full"])
    ran = sorted(stages_run(dvc(repository, "repro")))
    assert ran == expected(reported(["find_lr_head", *AFTER_HEAD]), fold="full")
    edit(repository / "params.yaml", folds=["full"])
    assert sorted(stages_run(dvc(repository, "repro"))) == expected(reported(AFTER_TTA))


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("stages/tta.py", ["tta"]),
        ("stages/figures/confusion.py", ["explore", "duplicates", "interpret", "gradcam"]),
        ("stages/figures/rates.py",
         ["explore", "duplicates", "find_lr_head", "find_lr_unfreeze", "interpret", "gradcam"]),
        ("stages/competition/kaggle.py", ["fetch", "split", "submission"]),
        ("stages/competition/names.py", ["split", "resize", "submission"]),
        ("stages/images/decoding.py",
         ["resize", "explore", *ACTIVATIONS[:-4], "interpret", "gradcam"]),
        ("stages/learner/rate_finder.py", ["find_lr_head", "find_lr_unfreeze"]),
        ("stages/page/page.css", ["report"]),
    ],
)  # fmt: skip
def test_an_edit_of_code_that_changes_no_result_reruns_its_stages_alone(
    repository: Path, file: str, stages: list[str]
) -> None:
    path = repository / file
    path.write_text(path.read_text() + "\n# a comment\n")
    assert sorted(stages_run(dvc(repository, "repro"))) == expected(stages)


def test_an_earlier_value_is_taken_from_the_cache(repository: Path) -> None:
    edit(repository / "params.yaml", **{"unfreeze.fits": []})
    dvc(repository, "repro")
    edit(repository / "params.yaml", **{"unfreeze.fits": [
        {"lr": [0.001, 0.003, 0.01], "cycles": 2, "cycle_len": 1, "cycle_mult": 2}]})  # fmt: skip
    output = dvc(repository, "repro")
    assert stages_run(output) == []
    assert output.count("is cached - skipping run") == len(expected(reported(["unfreeze", *END])))
