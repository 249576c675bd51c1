"""split: rows, folds and classes, and where the sample and the files disagree."""

import json

import pandas as pd
import pytest

from stages.rows import folds
from tests.layouts import LAYOUTS, Layout, picture
from tests.project import edit, run_stage, write_project

DOGS = LAYOUTS["csv, ids without suffix (dog breeds)"]
TUBES = LAYOUTS["binary columns and a group (catheters)"]


def project(folder, layout: Layout, **changes):
    """A project whose competition is a layout, after fetch."""
    source = layout.write(folder / "source")
    params = {f"competition.{key}": value for key, value in layout.params.items()}
    made = write_project(folder / "p", source, **({"competition.suffix": ".jpg"} | params))
    edit(made / "params.yaml", **{"split.val_pct": 0.5} | changes)
    assert run_stage(made, "fetch").exit_code == 0
    return made


def many(count: int, **changes) -> Layout:
    """Dogs in numbers; the sample and the test folder may differ."""
    tests = changes.pop("tests", range(10))
    sample = changes.pop("sample", range(10))
    rows = "".join(f"{i},{'pug' if i % 2 else 'boxer'}\n" for i in range(count))
    lines = "".join(f"t{i},0.5,0.5\n" for i in sample)
    texts = {"labels.csv": "id,label\n" + rows, "sample_submission.csv": "id,boxer,pug\n" + lines}
    images = [f"train/{i}.jpg" for i in range(count)] + [f"test/t{i}.jpg" for i in tests]
    return Layout(texts, images, {}, [], [], [])


def table(folder, name):
    return pd.read_csv(folder / "data" / name, dtype=str, keep_default_na=False)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_is_split(tmp_path, layout):
    changes = {"split.method": "group"} if "group" in layout.extra else {}
    folder = project(tmp_path, layout, **changes)
    result = run_stage(folder, "split")
    assert result.exit_code == 0, result.output
    rows = table(folder, "labelled.csv")
    assert list(zip(rows["id"], rows["image"], rows["label"], strict=True)) == layout.rows
    assert list(table(folder, "classes.csv")["class"]) == layout.classes
    test = table(folder, "wanted.csv")
    assert list(zip(test["id"], test["image"], strict=True)) == layout.tests


def test_classes_are_counted_label_by_label(tmp_path):
    folder = project(tmp_path, TUBES, **{"split.method": "group"})
    run_stage(folder, "split")
    counts = table(folder, "classes.csv")
    assert counts.to_numpy().tolist() == [["ETT", "1"], ["NGT", "1"], ["CVC", "1"]]


def test_rows_of_a_group_share_a_fold(tmp_path):
    folder = project(tmp_path, TUBES, **{"split.method": "group"})
    run_stage(folder, "split")
    rows = table(folder, "labelled.csv")
    assert rows.groupby("group")["fold"].nunique().tolist() == [1, 1]
    assert rows["fold"].nunique() == 2


def test_groups_are_told_apart_by_more_than_spaces_and_a_missing_one_is_told(tmp_path):
    who = ["ann", " ann", "ann ", "", " ", "", "NA", "NA", "bob", "cy", "dee", "eve"]
    given = {"group_column": "who", "label_columns": ["n"], "task": "regression", "metric": "rmse"}
    texts = {
        "labels.csv": "id,n,who\n" + "".join(f'{i},{i},"{name}"\n' for i, name in enumerate(who)),
        "sample_submission.csv": "id,n\nt,0\n",
    }
    images = [f"train/{i}.jpg" for i in range(len(who))] + ["test/t.jpg"]
    layout = Layout(texts, images, given, [], [], [])
    folder = project(tmp_path, layout, **{"split.method": "group"})
    result = run_stage(folder, "split")
    fold = table(folder, "labelled.csv")["fold"]
    assert [fold[i : i + 3].nunique() for i in (0, 3)] == [1, 1]
    for name, count in (("", 3), ("NA", 2)):
        assert f"{name!r} in column who is taken for one group, of {count} rows" in result.output


def test_a_stratified_split_gives_every_fold_its_share_of_each_class(tmp_path):
    folder = project(tmp_path, many(40), **{"split.method": "stratified", "split.val_pct": 0.25})
    result = run_stage(folder, "split")
    assert result.exit_code == 0, result.output
    rows = table(folder, "labelled.csv")
    counts = pd.crosstab(rows["label"], rows["fold"])
    assert (counts.max(axis=1) - counts.min(axis=1) <= 1).all()
    assert counts.shape == (2, 4)


def test_a_stratified_split_of_groups_keeps_them_together(tmp_path):
    folder = project(tmp_path, TUBES, **{"split.method": "stratified_group", "split.val_pct": 0.5})
    result = run_stage(folder, "split")
    assert result.exit_code == 0, result.output
    assert table(folder, "labelled.csv").groupby("group")["fold"].nunique().tolist() == [1, 1]


def test_folds_of_groups_are_of_about_equal_size_and_depend_on_the_seed():
    groups = [f"patient {i // 3}" for i in range(300)]
    found = folds.assign_groups(groups, 5, seed=42)
    assert pd.Series(found).value_counts().between(57, 63).all()
    by_group = pd.DataFrame({"group": groups, "fold": found}).groupby("group")["fold"]
    assert by_group.nunique().max() == 1
    assert list(found) == list(folds.assign_groups(groups, 5, seed=42))
    assert list(found) != list(folds.assign_groups(groups, 5, seed=43))


def test_too_few_groups_or_rows_for_the_folds_are_told(tmp_path):
    folder = project(tmp_path, TUBES, **{"split.method": "group", "split.val_pct": 0.2})
    result = run_stage(folder, "split")
    assert result.exit_code == 1
    assert result.output == (
        "Error: split.val_pct: 5 folds are too many for 3 rows in so few groups; raise it.\n"
    )


def test_ids_of_the_sample_without_an_image_are_told_and_left_to_the_submission(tmp_path):
    folder = project(tmp_path, many(6, sample=range(20), tests=range(19)))
    result = run_stage(folder, "split")
    assert result.exit_code == 0
    assert (
        "1 of 20 ids of sample_submission.csv have no image in 'test', the first is 't19': they "
        "get the mean prediction." in result.output
    )
    found = json.loads((folder / "metrics/split.json").read_text())
    assert (found["sample_rows"], found["test_rows"]) == (20, 19)


def test_images_that_the_sample_does_not_ask_for_are_told(tmp_path):
    folder = project(tmp_path, many(6, sample=range(10), tests=range(12)))
    result = run_stage(folder, "split")
    assert (
        "2 images in 'test' are not in sample_submission.csv, the first is 'test/t10.jpg': they "
        "are not predicted." in result.output
    )
    assert len(table(folder, "wanted.csv")) == 10


def test_a_sample_most_of_whose_ids_have_no_image_is_a_wrong_param(tmp_path):
    folder = project(tmp_path, DOGS, **{"competition.test_images": "train"})
    result = run_stage(folder, "split")
    assert result.exit_code == 1
    assert result.output == (
        "Error: 2 of 2 ids have no image in 'train', the first is 'd'; check competition.suffix "
        "and the folder; ids are the first column of sample_submission.csv.\n"
    )


def test_training_and_test_images_in_one_folder_are_told_apart_by_the_csvs(tmp_path):
    folder = project(tmp_path, LAYOUTS[
        "one-hot columns, train and test in one folder (plant pathology 2020)"
    ])  # fmt: skip
    result = run_stage(folder, "split")
    assert "not in sample_submission.csv" not in result.output
    assert "no label" not in result.output


def dogs(csv: str, *images: str) -> Layout:
    """Two labelled dogs and what else is given."""
    texts = {"labels.csv": "id,label\na,pug\nb,boxer\n" + csv,
             "sample_submission.csv": "id,boxer,pug\nt,0.5,0.5\n"}  # fmt: skip
    return Layout(texts, ["train/a.jpg", "train/b.jpg", "test/t.jpg", *images], {}, [], [], [])


def test_a_row_that_repeats_another_is_left_out_aloud(tmp_path):
    folder = project(tmp_path, dogs("a,pug\n"))
    result = run_stage(folder, "split")
    assert "1 rows of labels.csv repeat others and are left out." in result.output
    assert list(table(folder, "labelled.csv")["id"]) == ["a", "b"]


def test_rows_that_contradict_each_other_are_refused(tmp_path):
    result = run_stage(project(tmp_path, dogs("a,boxer\n")), "split")
    assert result.exit_code == 1
    assert result.output == (
        "Error: labels.csv labels 1 images in more than one way, the first is 'train/a.jpg' with "
        "'pug' and 'boxer'; keep one row of each.\n"
    )


def test_images_without_a_label_are_told(tmp_path):
    folder = project(tmp_path, dogs("", "train/c.jpg", "train/d.jpg"))
    result = run_stage(folder, "split")
    assert (
        "2 images in 'train' have no label, the first is 'train/c.jpg': they are not trained on."
        in result.output
    )
    assert len(table(folder, "labelled.csv")) == 2


def test_a_test_folder_inside_the_training_folder_is_no_class(tmp_path):
    layout = Layout(
        {"sample_submission.csv": "id,cat,dog\n0,0.5,0.5\n"},
        ["cat/0.jpg", "dog/0.jpg", "test/0.jpg"],
        {"labels": "folders", "id_column": None, "label_columns": [], "train_images": "."},
        [], [], [],
    )  # fmt: skip
    folder = project(tmp_path, layout)
    assert run_stage(folder, "split").exit_code == 0
    assert list(table(folder, "classes.csv")["class"]) == ["cat", "dog"]


def test_pictures_are_of_the_suffix_they_have():
    assert picture(0, "tif")[:2] in (b"II", b"MM")
