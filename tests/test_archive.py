"""The competition's files, read from inside its archive."""

import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from stages.base.errors import UserError
from stages.competition.archive import Archive, is_image


def write_zip(path, files, compression=zipfile.ZIP_DEFLATED):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", compression) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return path


@pytest.fixture
def archive(tmp_path):
    """No names in order."""
    files = {
        "train/2.jpg": b"two", "train/10.jpg": b"ten", "a.csv": b"a", "train-jpg/1.jpg": b"one",
        "test/9.PNG": b"nine", "train/1.jpg": b"another one",
    }  # fmt: skip
    return Archive(write_zip(tmp_path / "a.zip", files))


def test_names_are_sorted(archive):
    assert archive.names == [
        "a.csv", "test/9.PNG", "train-jpg/1.jpg", "train/1.jpg", "train/10.jpg", "train/2.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "data"), [("train/2.jpg", b"two"), ("a.csv", b"a")])
def test_a_file_is_read_by_its_name(archive, name, data):
    assert archive.read(name) == data


def test_folders_inside_an_archive_are_no_files(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"train/": b"", "train/1.jpg": b"one"})
    assert Archive(path).names == ["train/1.jpg"]


def test_a_missing_file_is_named_beside_what_there_is(archive):
    with pytest.raises(UserError, match=r"no file labels\.csv; it has a\.csv\."):
        archive.read("labels.csv")


@pytest.mark.parametrize("name", ["../secret", "train/../../secret", "/etc/hostname"])
def test_a_name_cannot_lead_out_of_the_competition(archive, tmp_path, name):
    (tmp_path.parent / "secret").write_text("secret")
    with pytest.raises(UserError, match="the competition has no file"):
        archive.read(name)


@pytest.mark.parametrize("folder", ["train", "train/", "/train/"])
def test_images_of_a_folder_are_not_those_of_one_whose_name_begins_alike(archive, folder):
    assert archive.images(folder) == ["train/1.jpg", "train/10.jpg", "train/2.jpg"]


@pytest.mark.parametrize("folder", ["", "."])
def test_images_of_no_folder_are_all_images_and_nothing_else(archive, folder):
    assert archive.images(folder) == [
        "test/9.PNG", "train-jpg/1.jpg", "train/1.jpg", "train/10.jpg", "train/2.jpg",
    ]  # fmt: skip


def test_images_of_a_folder_inside_a_folder_are_found(tmp_path):
    files = {"images/train/cat/1.jpg": b"1", "images/test/2.jpg": b"2"}
    archive = Archive(write_zip(tmp_path / "a.zip", files))
    assert archive.images("images/train") == ["images/train/cat/1.jpg"]


def test_a_folder_without_images_is_refused_with_those_that_have_some(archive):
    with pytest.raises(UserError, match="no images in 'trian'; its folders are test, train, train"):
        archive.images("trian")


@pytest.mark.parametrize("name", ["train.csv", "train/1.dcm", "train-image.hdf5"])
def test_a_competition_without_image_files_is_told_what_to_do(tmp_path, name):
    """Pixels in a csv (handwritten digits, key points), DICOM, HDF5: no folder would help."""
    archive = Archive(write_zip(tmp_path / "a.zip", {name: b"pixels"}))
    with pytest.raises(UserError) as error:
        archive.images("train")
    assert error.value.message == (
        f"the competition has no image files, only {name}; write the images that are in them as "
        "PNG files, and set competition.source to the folder."
    )


def test_a_broken_archive_is_refused_by_name(tmp_path):
    path = write_zip(tmp_path / "b.zip", {"train/2.jpg": b"two"})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match=r"b\.zip is not a whole zip archive; delete it"):
        Archive(path)


def test_a_file_with_a_wrong_checksum_is_refused_by_name(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"train/1.jpg": b"pixels"}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"pixels", b"pixelz"))
    with pytest.raises(UserError, match=r"train/1\.jpg cannot be read from its archive: Bad CRC"):
        Archive(path).read("train/1.jpg")


def test_without_an_archive_fetch_is_asked_for(tmp_path):
    with pytest.raises(UserError, match=r"a\.zip is not there; run `dvc repro fetch` first"):
        Archive(tmp_path / "a.zip")


def test_many_threads_read_the_right_bytes(tmp_path):
    files = {f"train/{i}.png": bytes([i]) * 50_000 for i in range(64)}
    archive, together = Archive(write_zip(tmp_path / "a.zip", files)), threading.Barrier(8)

    def read(start):
        together.wait()
        return [(n, archive.read(n)) for n in (archive.names[start:] + archive.names[:start])]

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(read, range(0, 64, 8)):
            assert dict(found) == files


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.jpg", True), ("a.JPEG", True), ("a.tif", True), ("a.csv", False), ("jpg", False)],
)
def test_images_are_known_by_their_suffix(name, expected):
    assert is_image(name) is expected


@pytest.mark.parametrize("name", ["train/10.jpg", "train/1.jpg"])
def test_a_file_too_large_for_memory_is_refused_by_name(archive, monkeypatch, name):
    monkeypatch.setattr("stages.competition.archive.LARGEST", 2)
    with pytest.raises(UserError, match=rf"^{name} is larger than"):
        archive.read(name)


@pytest.mark.parametrize(
    ("offset", "value"), [(10, 99), (20, 10**6)], ids=["unknown compression", "ends too early"]
)
def test_a_file_that_its_archive_states_wrongly_is_refused_by_name(tmp_path, offset, value):
    path = write_zip(tmp_path / "a.zip", {"train/1.jpg": b"pixels"}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\1\2") + offset  # in the list of files: method, then packed and full size
    data[at : at + 2 if value == 99 else at + 8] = (
        value.to_bytes(2, "little") if value == 99 else value.to_bytes(4, "little") * 2
    )
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"^train/1\.jpg cannot be read from its archive"):
        Archive(path).read("train/1.jpg")
