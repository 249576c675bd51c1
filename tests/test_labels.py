"""From label files to rows, on competitions of a few files."""

from types import SimpleNamespace

import pytest

from stages.competition import labels
from stages.competition.archive import Archive
from stages.errors import UserError

DOGS = {
    "task": "multiclass", "train_images": "train", "suffix": ".jpg", "labels": "labels.csv",
    "id_column": "id", "label_columns": ["breed"],
}  # fmt: skip


def table(folder, csv, images=("train/b.jpg", "train/a.jpg"), **changes):
    """The rows of a competition of these files, whose params are dog breeds' but for `changes`."""
    data = csv if isinstance(csv, bytes) else csv.encode()
    for name in images:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pixels")
    (folder / "labels.csv").write_bytes(data)
    return labels.table(Archive(folder), SimpleNamespace(**(DOGS | changes)))


def rows(*args, **changes):
    return table(*args, **changes).to_numpy().tolist()


def test_a_row_is_id_image_and_label(tmp_path):
    found = table(tmp_path, "id,breed\na,boxer\n")
    assert found.to_dict("records") == [{"id": "a", "image": "train/a.jpg", "label": "boxer"}]


def test_rows_keep_the_order_of_the_csv(tmp_path):
    assert [r[0] for r in rows(tmp_path, "id,breed\nb,pug\na,boxer\n")] == ["b", "a"]


def test_ids_may_carry_their_suffix(tmp_path):
    found = rows(tmp_path, "id,breed\na.jpg,boxer\n", suffix="")
    assert found == [["a.jpg", "train/a.jpg", "boxer"]]


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


def test_train_images_may_lie_beside_the_csv(tmp_path):
    assert rows(tmp_path, "id,breed\na,pug\n", ["a.jpg"], train_images=".")[0][1] == "a.jpg"


def test_zero_padded_ids_stay_as_written(tmp_path):
    found = rows(tmp_path, "id,breed\n0007,boxer\n", ["train/0007.jpg", "train/7.jpg"])
    assert found == [["0007", "train/0007.jpg", "boxer"]]


@pytest.mark.parametrize("word", ["NA", "null", "nan", "None", "1e3", "True"])
def test_ids_and_labels_are_text_whatever_they_look_like(tmp_path, word):
    found = rows(tmp_path, f"id,breed\n{word},{word}\n", [f"train/{word}.jpg"])
    assert found == [[word, f"train/{word}.jpg", word]]


@pytest.mark.parametrize(
    "csv",
    [
        pytest.param(b"\xef\xbb\xbfid,breed\na,boxer\n", id="byte order mark"),
        pytest.param(b"id,breed\r\na,boxer\r\n", id="Windows line ends"),
        pytest.param(b"id, breed\na, boxer\n", id="space after comma"),
        pytest.param(b'"id","breed"\n"a","boxer"\n', id="quotes"),
        pytest.param(b"id,breed\na,boxer", id="no last line end"),
        pytest.param(b"age,breed,id\n3,boxer,a\n", id="other columns and order"),
    ],
)
def test_a_csv_is_read_however_it_was_saved(tmp_path, csv):
    assert rows(tmp_path, csv) == [["a", "train/a.jpg", "boxer"]]


def test_labels_keep_spaces_and_letters_of_any_language(tmp_path):
    found = rows(tmp_path, 'id,breed\na,"chien, épagneul"\nb,Common Chickweed\n')
    assert [r[2] for r in found] == ["chien, épagneul", "Common Chickweed"]


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
    "change",
    [{"task": "multilabel"}, {"task": "regression"}, {"labels": "folders"},
     {"labels": "filenames"}, {"label_columns": ["breed", "other"]}],
)  # fmt: skip
def test_shapes_that_are_not_read_yet_are_refused_in_a_sentence(tmp_path, change):
    with pytest.raises(UserError, match=r"^competition\.task \w+ with labels '\S+' is not read "):
        table(tmp_path, "id,breed\na,boxer\n", **change)


def test_a_row_without_a_label_is_named(tmp_path):
    with pytest.raises(UserError, match=r"labels\.csv has no label for id 'b'"):
        table(tmp_path, "id,breed\na,boxer\nb,\n")


@pytest.mark.parametrize(
    ("csv", "fault"),
    [
        (b"", "is not a csv"),
        ("id,breed\na,Caf\u00e9\n".encode("latin-1"), "is not a csv in UTF-8"),
        (b"id,breed\n", "has no rows"),
    ],
)
def test_a_csv_that_cannot_be_read_is_named(tmp_path, csv, fault):
    with pytest.raises(UserError, match=rf"^labels\.csv {fault}"):
        table(tmp_path, csv)


def test_suffix_auto_refuses_an_id_with_several_images(tmp_path):
    with pytest.raises(UserError, match=r"'a' has several images .* set competition\.suffix"):
        table(tmp_path, "id,breed\na,boxer\n", ["train/a.jpg", "train/a.png"], suffix="auto")


def test_a_row_with_a_cell_too_many_does_not_shift_the_columns(tmp_path):
    with pytest.raises(UserError, match="more cells than its header"):
        table(tmp_path, "id,breed\na,boxer,\n")
