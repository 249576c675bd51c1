"""fetch: from a folder or a zip on disk, or the bundled competition, to data/raw."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from stages import fetch
from stages.errors import UserError

ROOT = Path(__file__).parents[1]
FILES = {"labels.csv": b"id,label\n", "train/b.jpg": b"bb", "train/a.jpg": b"a", "B.txt": b""}


def write(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "source", FILES)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "raw/digits.zip"


def test_a_folder_becomes_one_archive_of_the_same_files(source, target):
    fetch.copy(source, target)
    assert members(target) == FILES


def test_members_are_in_order_of_name(source, target):
    fetch.copy(source, target)
    assert list(members(target)) == ["B.txt", "labels.csv", "train/a.jpg", "train/b.jpg"]


def test_the_same_files_written_in_another_order_at_another_time_give_the_same_bytes(
    source, target, tmp_path
):
    fetch.copy(source, target)
    other = write(tmp_path / "other", dict(reversed(FILES.items())))
    fetch.copy(other, tmp_path / "raw/other.zip")
    assert (tmp_path / "raw/other.zip").read_bytes() == target.read_bytes()


def test_images_are_stored_uncompressed(source, target):
    fetch.copy(source, target)
    with zipfile.ZipFile(target) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_a_zip_is_copied_byte_for_byte(source, target, tmp_path):
    given = Path(shutil.make_archive(str(tmp_path / "given"), "zip", source))
    fetch.copy(given, target)
    assert target.read_bytes() == given.read_bytes()


@pytest.mark.parametrize("name", ["labels.csv", "nowhere"])
def test_what_is_neither_folder_nor_zip_is_refused_and_nothing_is_left(source, target, name):
    with pytest.raises(UserError, match=rf"^competition\.source: .*{name} is neither a folder nor"):
        fetch.copy(source / name, target)
    assert not target.exists()


def test_the_source_stays_as_it_was(source, target):
    fetch.copy(source, target)
    assert {p.relative_to(source).as_posix(): p.read_bytes()
            for p in source.rglob("*") if p.is_file()} == FILES  # fmt: skip


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the pipeline and params that take the competition from `source`."""

    def make(source):
        for name in ("dvc.yaml", "params.yaml"):
            shutil.copy(ROOT / name, tmp_path / name)
        yaml = YAML()
        params = yaml.load((tmp_path / "params.yaml").read_text())
        params["competition"]["source"] = str(source)
        yaml.dump(params, tmp_path / "params.yaml")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make


def test_the_stage_leaves_the_archive_and_counts_its_files(source, project):
    folder = project(source)
    result = CliRunner().invoke(fetch.main, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    archive = folder / "data/raw/digits.zip"
    found = json.loads((folder / "metrics/fetch.json").read_text())
    assert found == {"files": len(FILES), "bytes": archive.stat().st_size}
    assert members(archive) == FILES


def test_the_stage_refuses_a_wrong_source_in_a_sentence(project):
    project("nowhere")
    result = CliRunner().invoke(fetch.main, catch_exceptions=False)
    assert result.exit_code == 1
    assert result.output.startswith("Error: competition.source: nowhere is neither")
    assert result.output.count("\n") == 1


def test_the_bundled_competition_needs_no_source_and_repeats_to_the_byte(project):
    archive = project("demo") / "data/raw/digits.zip"
    built = []
    for _ in range(2):
        assert CliRunner().invoke(fetch.main, catch_exceptions=False).exit_code == 0
        built.append(archive.read_bytes())
    assert built[0] == built[1]
    assert len(members(archive)) == 1797 + 2


def test_a_download_is_moved_to_where_the_stage_leaves_it(project, monkeypatch):
    folder = project("kaggle")
    asked = []

    def download(slug, into):
        asked.append((slug, into))
        write(into, {f"{slug}.zip": b""})
        with zipfile.ZipFile(into / f"{slug}.zip", "w") as archive:
            archive.writestr("labels.csv", b"id,label\n")
        return into / f"{slug}.zip"

    monkeypatch.setattr(fetch.kaggle, "download", download)
    assert CliRunner().invoke(fetch.main, catch_exceptions=False).exit_code == 0
    assert asked == [("digits", Path("work/downloads"))]
    assert list(members(folder / "data/raw/digits.zip")) == ["labels.csv"]
    assert list((folder / "work/downloads").iterdir()) == []
