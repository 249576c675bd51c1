"""From label files of every layout to one table of rows, on competitions of a few files."""

from types import SimpleNamespace

import numpy as np
import pytest

from stages.base.errors import UserError
from stages.competition import labels, lookup
from stages.competition.csv_files import read_csv
from stages.images import decoding
from stages.rows import cells
from tests.layouts import DEFAULTS, LAYOUTS, opened

each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


@each_layout
def test_a_layout_is_read_as_it_is_meant(tmp_path, layout):
    archive, c = opened(layout.write(tmp_path)), layout.competition
    rows = labels.with_image(labels.table(archive, c), c, "fail")
    assert list(rows[["id", "image", "label"]].itertuples(index=False, name=None)) == layout.rows
    assert {k: list(rows[k]) for k in rows if k not in ("id", "image", "label")} == layout.extra
    assert labels.classes(rows, c) == layout.classes


@each_layout
def test_the_rows_to_predict_are_the_samples(tmp_path, layout):
    archive, c = opened(layout.write(tmp_path)), layout.competition
    ids = read_csv(archive, c.sample_submission).iloc[:, 0]
    found = lookup.find(ids, c.test_images, archive, c.suffix)
    assert list(zip(ids, found, strict=True)) == layout.tests


@each_layout
def test_the_images_that_rows_name_are_among_the_nameable(tmp_path, layout):
    training, test = lookup.nameable(opened(layout.write(tmp_path)), layout.competition)
    assert {image for _, image, _ in layout.rows} <= training
    assert {image for _, image in layout.tests if image} <= test


def test_masks_beside_the_photographs_are_not_nameable(tmp_path):
    images = [f"{folder}/{name}" for folder in ("train", "test")
              for name in ("a.jpg", "b .jpg", "a_mask.png", "b_mask.png")]  # fmt: skip
    for image in images:
        (tmp_path / image).parent.mkdir(exist_ok=True)
        (tmp_path / image).write_bytes(b"pixels")

    def found(**changes):
        return lookup.nameable(opened(tmp_path), SimpleNamespace(**DEFAULTS | changes))

    assert found(suffix=".jpg") == ({*images[:2]}, {*images[4:6]})
    assert found(suffix="auto") == ({*images[:4]}, {*images[4:]})
    assert found(suffix=".jpg", labels="filenames") == ({*images[:4]}, {*images[4:6]})


@each_layout
def test_every_image_of_a_layout_is_rgb_in_the_end(tmp_path, layout):
    archive = opened(layout.write(tmp_path))
    for _, image in [*[row[:2] for row in layout.rows], *layout.tests]:
        assert decoding.decode(archive.read(image)).shape[2] == 3


def table(folder, csv, images=("train/b.jpg", "train/a.jpg"), **changes):
    """The rows of a competition of these files, whose params are dog breeds' but for `changes`."""
    for name in images:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pixels")
    (folder / "labels.csv").write_bytes(csv if isinstance(csv, bytes) else csv.encode())
    dogs = DEFAULTS | {"label_columns": ["breed"]}
    c = SimpleNamespace(**(dogs | changes))
    return labels.with_image(labels.table(opened(folder), c), c, "fail")


def rows(*args, **changes):
    return table(*args, **changes).to_numpy().tolist()


@pytest.mark.parametrize("name", ["a", "a.png"])
def test_suffix_auto_finds_ids_with_and_without_one(tmp_path, name):
    images = ["train/a.png", "train/b.jpg"]
    found = rows(tmp_path, f"id,breed\n{name},boxer\nb,pug\n", images, suffix="auto")
    assert [r[1] for r in found] == images


def test_suffix_auto_finds_an_id_with_a_dot(tmp_path):
    found = rows(tmp_path, "id,breed\nv1.0,boxer\n", ["train/v1.0.jpg"], suffix="auto")
    assert found[0][1] == "train/v1.0.jpg"


def test_ids_may_name_folders(tmp_path):
    found = rows(tmp_path, "id,breed\nx/a,boxer\n", ["train/x/a.jpg"])
    assert found[0][1] == "train/x/a.jpg"


@pytest.mark.parametrize(
    "csv",
    [
        pytest.param(b"\xef\xbb\xbfid,breed\na,boxer\n", id="byte order mark"),
        pytest.param(b"id,breed\r\na,boxer\r\n", id="windows line ends"),
        pytest.param(b"id, breed\na, boxer\n", id="space after comma"),
        pytest.param(b'"id","breed"\n"a","boxer"\n', id="quotes"),
        pytest.param(b"id,breed\na,boxer", id="no last line end"),
        pytest.param(b"age,breed,id\n3,boxer,a\n", id="other columns and order"),
    ],
)
def test_a_csv_is_read_however_it_was_saved(tmp_path, csv):
    assert rows(tmp_path, csv) == [["a", "train/a.jpg", "boxer"]]


@pytest.mark.parametrize("change", [{"id_column": "image"}, {"label_columns": ["image"]}])
def test_a_missing_column_is_named_beside_those_there_are(tmp_path, change):
    with pytest.raises(UserError, match=r"^labels\.csv has no column 'image'; it has id, breed\.$"):
        table(tmp_path, "id,breed\na,boxer\n", **change)


def test_a_missing_csv_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no file train\.csv; it has labels\.csv"):
        table(tmp_path, "id,breed\na,boxer\n", labels="train.csv")


def test_ids_without_an_image_are_counted_and_the_first_is_named(tmp_path):
    csv = "id,breed\na,boxer\nzed,pug\nyak,pug\n"
    with pytest.raises(
        UserError, match=r"^2 of 3 ids have no image in 'train', the first is 'zed'"
    ):
        table(tmp_path, csv)


def test_an_image_of_another_folder_does_not_count(tmp_path):
    with pytest.raises(UserError, match="1 of 1 ids have no image in 'train'"):
        table(tmp_path, "id,breed\nc,boxer\n", ["train/a.jpg", "train-jpg/c.jpg", "c.jpg"])


@pytest.mark.parametrize(
    ("csv", "fault"),
    [
        (b"", "has no rows"),
        ("id,breed\na,Caf\u00e9\n".encode("latin-1"), "is not a csv in UTF-8"),
        (b"id,breed\n", "has no rows, only a header"),
        (b"id;breed\na;pug\n", r"has ';' between its cells; save it with commas"),
        (b"id\tbreed\na\tpug, old\n", r"has '.t' between its cells"),
        (b"id,breed,breed\na,pug,tan\n", "has more than one column 'breed'"),
    ],
)
def test_a_csv_that_cannot_be_read_is_named(tmp_path, csv, fault):
    with pytest.raises(UserError, match=rf"^labels\.csv {fault}"):
        table(tmp_path, csv)


def test_suffix_auto_refuses_an_id_with_several_images(tmp_path):
    with pytest.raises(UserError, match=r"'a' has several images .* set competition\.suffix"):
        table(tmp_path, "id,breed\na,boxer\n", ["train/a.jpg", "train/a.png"], suffix="auto")


def test_a_name_in_several_folders_inside_names_none(tmp_path):
    images = ["train/day/a.jpg", "train/night/a.jpg"]
    with pytest.raises(UserError) as error:
        table(tmp_path, "id,breed\na,boxer\n", images)
    assert error.value.message == (
        "id 'a' has several images in 'train': train/day/a.jpg, train/night/a.jpg; set "
        "competition.suffix, or the folder."
    )


def test_folders_inside_count_where_an_id_names_one(tmp_path):
    images = ["train/day/a.jpg", "train/night/b.jpg"]
    with pytest.raises(UserError, match="1 of 2 ids have no image in 'train', the first is 'b'"):
        table(tmp_path, "id,breed\nday/a,boxer\nb,pug\n", images)


def test_a_row_with_a_cell_too_many_does_not_shift_the_columns(tmp_path):
    with pytest.raises(UserError, match="3 cells under a header of 2"):
        table(tmp_path, "id,breed\na,boxer,\n")


MULTI = {"task": "multilabel", "label_columns": ["x", "y"]}
MEND = "; mend it or take it out."


@pytest.mark.parametrize(
    ("csv", "change", "sentence"),
    [
        ("id,breed\na,boxer\nb,\n", {}, "labels.csv: no label for id 'b'" + MEND),
        ("id,breed\na,\" \"\nb,\n", {},
         "labels.csv: no label for id 'a', the first of 2 such rows" + MEND),
        ("id,breed\na,\"box\ter\"\n", {},
         r"labels.csv: label 'box\ter' holds a tab for id 'a'" + MEND),
        ("id,x,y\na,1,1\n", {"label_columns": ["x", "y"]},
         "labels.csv: 2 of the columns x, y are 1 instead of one for id 'a'" + MEND),
        ("id,x,y\na,1,0\nb,0,0\n", {"label_columns": ["x", "y"]},
         "labels.csv: 0 of the columns x, y are 1 instead of one for id 'b'" + MEND),
        ("id,x,y\na,1,0.5\n", MULTI,
         "labels.csv: column y is '0.5' instead of 0 or 1 for id 'a'" + MEND),
        ("id,x,y\na,1,\n", MULTI, "labels.csv: column y is '' instead of 0 or 1 for id 'a'" + MEND),
        ("id,breed\na,tall\n", {"task": "regression"},
         "labels.csv: 'tall' is not a number for id 'a'" + MEND),
        ("id,breed\na,nan\n", {"task": "regression"},
         "labels.csv: 'nan' is not a number for id 'a'" + MEND),
        ("id,breed\na,-inf\n", {"task": "regression"},
         "labels.csv: '-inf' is not a number for id 'a'" + MEND),
        ("id,breed\na,1e39\n", {"task": "regression"},
         "labels.csv: '1e39' is too large a number to train towards for id 'a'" + MEND),
        ("", {"labels": "folders"},
         "a.jpg lies in no folder of 'train'; with labels: folders each class has one: check "
         "competition.train_images."),
        ("", {"labels": "filenames", "label_pattern": r"^(cat)\."},
         r"competition.label_pattern '^(cat)\\.' finds nothing in 'a.jpg'; widen it."),
    ],
)  # fmt: skip
def test_a_label_that_the_task_does_not_take_is_named(tmp_path, csv, change, sentence):
    with pytest.raises(UserError) as error:
        table(tmp_path, csv, **change)
    assert error.value.message == sentence


def test_one_class_alone_is_refused(tmp_path):
    found = table(tmp_path, "id,breed\na,pug\nb,pug\n")
    with pytest.raises(
        UserError, match="every label is 'pug'; there must be two or more: check labels"
    ):
        labels.classes(found, LAYOUTS["csv, ids without suffix (dog breeds)"].competition)


def test_one_number_alone_is_refused(tmp_path):
    found = table(tmp_path, "id,breed\na,5\nb,5.0\n", task="regression")
    with pytest.raises(UserError, match="every label is '5'; there must be two or more"):
        labels.classes(found, LAYOUTS["ratings scored by kappa (blindness)"].competition)


def test_true_and_false_and_decimals_are_flags(tmp_path):
    found = rows(tmp_path, "id,x,y\na,True,0.0\nb,1.0,FALSE\n", **MULTI)
    assert [r[2] for r in found] == ["x", "x"]


@pytest.mark.parametrize("cell", ["", '" "', '" | "'])
def test_a_cell_without_tags_is_a_row_without_tags(tmp_path, cell):
    change = {"task": "multilabel", "label_separator": "|"}
    assert rows(tmp_path, f"id,breed\na,{cell}\nb,tan | pug\n", **change)[0][2] == ""


@pytest.mark.parametrize(
    ("change", "one", "other"),
    [
        ({"task": "multilabel", "label_separator": " "}, "tan pug", "pug tan"),
        ({"task": "regression"}, "5", "5.0"),
    ],
)
def test_labels_that_mean_the_same_agree(tmp_path, change, one, other):
    found = table(tmp_path, f"id,breed\na,{one}\na,{other}\n", **change)
    assert len(labels.once(found, "labels.csv")) == 1


def test_an_image_in_two_groups_is_refused(tmp_path):
    found = table(tmp_path, "id,breed,who\na,pug,x\na,pug,y\n", group_column="who")
    with pytest.raises(UserError, match=r"'train/a\.jpg' with 'pug', 'x' and 'pug', 'y'; keep one"):
        labels.once(found, "labels.csv")


@pytest.mark.parametrize("second", ["pug ", "Ca\u0301o"])
def test_classes_that_look_alike_are_refused(tmp_path, second):
    found = table(tmp_path, f"id,breed\na,{second}\nb,pug\nb,C\u00e1o\n")
    with pytest.raises(UserError, match=r"^labels\.csv spells 1 classes in more than one way"):
        labels.classes(found, LAYOUTS["csv, ids without suffix (dog breeds)"].competition)


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("suffix", [".jpg", "auto"])
@pytest.mark.parametrize(
    ("name", "file"),
    [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), (" a ", "a"), (" a", " a"), ("a ", "a ")],
)
def test_an_id_finds_its_image_but_for_spaces_and_unicode_form(tmp_path, name, file, suffix):
    images = [f"train/{file}.jpg", "train/b.jpg"]
    assert rows(tmp_path, f"id,breed\n{name},pug\n", images, suffix=suffix) == [
        [name, images[0], "pug"]
    ]


def test_an_id_takes_the_image_that_is_spelled_as_it_is(tmp_path):
    images = ["train/a.jpg", "train/a .jpg", f"train/{COMPOSED}.jpg", f"train/{DECOMPOSED}.jpg"]
    csv = f"id,breed\na ,pug\na,pug\n{DECOMPOSED},pug\n{COMPOSED},pug\n"
    assert [r[1] for r in rows(tmp_path, csv, images)] == [images[i] for i in (1, 0, 3, 2)]


def test_a_repeated_tag_counts_once(tmp_path):
    change = {"task": "multilabel", "label_separator": " "}
    assert rows(tmp_path, "id,breed\na,pug tan pug\n", **change)[0][2] == "pug\ttan"


def test_targets_are_numbers_flags_or_values():
    assert cells.targets(["b", "a"], ["a", "b"], "multiclass").tolist() == [1, 0]
    flags = cells.targets(["c\ta", "", "b"], ["a", "b", "c"], "multilabel")
    assert flags.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    values = cells.targets(["1.5\t-2", "0\t4"], ["left", "right"], "regression")
    assert values.tolist() == [[1.5, -2], [0, 4]]
    assert flags.dtype == values.dtype == np.float32


@pytest.mark.parametrize("task", ["multiclass", "multilabel", "regression"])
def test_targets_of_no_rows_are_empty(task):
    assert len(cells.targets([], ["a", "b"], task)) == 0
