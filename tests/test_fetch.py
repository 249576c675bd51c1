"""fetch: from a folder or a zip on disk, or the bundled competition."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from stages import fetch
from stages.competition.lift import lift
from tests.project import dvc, write_repository

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
    return tmp_path / "out/digits.zip"


def test_a_folder_becomes_one_archive_of_the_same_files(source, target):
    lift(source, target)
    assert members(target) == FILES


def test_members_are_in_order_of_name(source, target):
    lift(source, target)
    assert list(members(target)) == ["B.txt", "labels.csv", "train/a.jpg", "train/b.jpg"]


def test_the_same_files_written_in_another_order_at_another_time_give_the_same_bytes(
    source, target, tmp_path
):
    lift(source, target)
    other = write(tmp_path / "other", dict(reversed(FILES.items())))
    lift(other, tmp_path / "out/other.zip")
    assert (tmp_path / "out/other.zip").read_bytes() == target.read_bytes()


def test_images_are_stored_and_text_is_deflated(source, target):
    lift(source, target)
    with zipfile.ZipFile(target) as archive:
        found = {info.filename: info.compress_type for info in archive.infolist()}
    assert found["train/a.jpg"] == zipfile.ZIP_STORED
    assert found["labels.csv"] == zipfile.ZIP_DEFLATED


def test_a_zip_is_copied_byte_for_byte(source, target, tmp_path):
    given = Path(shutil.make_archive(str(tmp_path / "given"), "zip", source))
    lift(given, target)
    assert target.read_bytes() == given.read_bytes()


def test_the_source_stays_as_it_was(source, target):
    lift(source, target)
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
    archive = folder / "data/competition.zip"
    found = json.loads((folder / "metrics/fetch.json").read_text())
    assert found == {"files": len(FILES), "bytes": archive.stat().st_size}
    assert members(archive) == FILES


@pytest.mark.parametrize("name", ["nowhere", "source/labels.csv", "nowhere.zip"])
def test_the_stage_refuses_a_wrong_source_in_a_sentence(project, source, name):
    folder = project(name)
    result = CliRunner().invoke(fetch.main, catch_exceptions=False)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: competition.source: {name} is neither a folder nor")
    assert result.output.count("\n") == 1
    assert not (folder / "data").exists()


def test_the_bundled_competition_needs_no_source_and_repeats_to_the_byte(project):
    archive = project("demo") / "data/competition.zip"
    built = []
    for _ in range(2):
        assert CliRunner().invoke(fetch.main, catch_exceptions=False).exit_code == 0
        built.append(archive.read_bytes())
    assert built[0] == built[1]
    assert len(members(archive)) == 1797 + 2


def test_a_download_stays_so_that_it_is_not_needed_twice(project, monkeypatch):
    folder = project("kaggle")
    asked = []

    def download(slug, into):
        asked.append((slug, into))
        write(into, {})
        into.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(into / f"{slug}.zip", "w") as archive:
            archive.writestr("labels.csv", b"id,label\n")
        return into / f"{slug}.zip"

    monkeypatch.setattr(fetch, "download", download)
    assert CliRunner().invoke(fetch.main, catch_exceptions=False).exit_code == 0
    assert asked == [("digits", Path("work/downloads"))]
    brought, kept = folder / "data/competition.zip", folder / "work/downloads/digits.zip"
    assert list(members(brought)) == ["labels.csv"]
    assert brought.samefile(kept)  # and takes no more room


def test_an_unsafe_download_is_refused_again_and_stays(project, monkeypatch):
    folder = project("kaggle")
    kept = folder / "work/downloads/digits.zip"
    kept.parent.mkdir(parents=True)
    with zipfile.ZipFile(kept, "w") as archive:
        archive.writestr("../evil.jpg", b"x")
    monkeypatch.setattr(fetch, "download", lambda slug, into: into / f"{slug}.zip")
    for _ in range(2):
        result = CliRunner().invoke(fetch.main, catch_exceptions=False)
        assert result.exit_code == 1
        assert result.output.startswith("Error: digits.zip holds '../evil.jpg', which would climb")
        assert list((folder / "data").iterdir()) == []
    assert kept.exists()


def test_what_a_kill_left_is_removed_and_a_link_in_it_harms_nobody(project, source):
    data = write(project(source) / "data", {".competition.zip.scratch/tmp1/archive": b"half"})
    write(data.parent, {"downloaded.zip": b"the user's"})
    (data / ".competition.zip.part").hardlink_to(data.parent / "downloaded.zip")
    assert CliRunner().invoke(fetch.main, catch_exceptions=False).exit_code == 0
    assert [p.name for p in data.iterdir()] == ["competition.zip"]
    assert (data.parent / "downloaded.zip").read_bytes() == b"the user's"


def test_dvc_leaves_what_the_user_put_beside_it(tmp_path, source):
    folder = write_repository(tmp_path / "r", source)
    write(folder / "data/raw", FILES)
    dvc(folder, "repro", "fetch")
    assert members(folder / "data/competition.zip") == FILES
    assert {n: (folder / "data/raw" / n).read_bytes() for n in FILES} == FILES


@pytest.mark.parametrize("given", [".", "data", "data/competition.zip"])
def test_a_source_that_holds_what_fetch_writes_is_refused(project, given):
    folder = write(project(given), {"data/competition.zip": b"PK", "labels.csv": b"id,label\n"})
    result = CliRunner().invoke(fetch.main, catch_exceptions=False)
    assert result.exit_code == 1
    assert result.output == (
        f"Error: competition.source: {given} holds data/competition.zip, which fetch writes; give "
        "a folder that holds the competition's files alone.\n"
    )
    assert (folder / "data/competition.zip").read_bytes() == b"PK"


def test_an_empty_folder_is_refused_in_a_sentence(project, tmp_path):
    (tmp_path / "nothing").mkdir()
    project("nothing")
    result = CliRunner().invoke(fetch.main, catch_exceptions=False)
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith("Error: nothing holds no files")
