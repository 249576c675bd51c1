"""Downloading with the real `kaggle` command, which talks to a server of our own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stages.competition import download
from stages.errors import UserError
from tests.kaggle_server import DOWNLOAD, KEY, STORAGE, TOKEN
from tests.project import run_stage, write_project

ROOT = Path(__file__).parents[1]
SLUG = "dog-breed-identification"
MIB = 2**20


def archive_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return buffer.getvalue()


SMALL = archive_of({"labels.csv": b"id,breed\na,boxer\n", "train/a.jpg": b"not really"})
LARGE = archive_of({"train/a.jpg": np.random.default_rng(0).bytes(3 * MIB)})


@pytest.fixture
def site(site, monkeypatch):
    """Kaggle's stand-in with a small competition; nobody waits long between tries."""
    site.archive = SMALL
    monkeypatch.setattr(download, "WAITS", (0.01, 0.01))
    return site


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "downloads"


@pytest.fixture
def left(folder):
    """What is in the folder, by name."""
    return lambda: sorted(p.name for p in folder.rglob("*"))


def refusal(folder: Path, slug: str = SLUG) -> str:
    with pytest.raises(UserError) as error:
        download.download(slug, folder)
    assert "\n" not in error.value.message
    return error.value.message


def test_the_archive_arrives_whole(site, folder, left):
    path = download.download(SLUG, folder)
    assert path == folder / f"{SLUG}.zip"
    assert path.read_bytes() == SMALL
    assert left() == [path.name]


def test_the_command_asks_for_this_competition_and_for_nothing_else(site, folder):
    download.download(SLUG, folder)
    assert site.requests == [f"POST {DOWNLOAD} {SLUG}", f"GET {STORAGE}"]


def test_the_progress_bar_is_shown(site, folder, capfd):
    download.download(SLUG, folder)
    assert "100%" in capfd.readouterr().err


RULES = f"accept the competition's rules at https://www.kaggle.com/competitions/{SLUG}/rules"
NO_TOKEN = "kaggle found no token that it accepts; make one at https://www.kaggle.com/settings"
UNKNOWN = f"kaggle knows no competition '{SLUG}'; check competition.slug"
PATIENCE = "kaggle asks for patience; wait some minutes, then run again"
TROUBLE = "kaggle has trouble of its own; run again later"
LOST = "kaggle could not be reached, or was lost on the way; look to the network, then run again"
ACCEPT_FIRST = "You must accept this competition's rules before you'll be able to download files."
FAULTS = {
    "rules not accepted": ({"DownloadDataFiles": (403, ACCEPT_FIRST)}, RULES, False),
    "forbidden": ({"DownloadDataFiles": (403, None)}, RULES, False),
    "storage forbids": ({"GET": (403, None)}, RULES, False),
    "token refused": ({"DownloadDataFiles": (401, None)}, NO_TOKEN, False),
    "token refused, in words": ({"DownloadDataFiles": (401, "Unauthenticated")}, NO_TOKEN, False),
    "no such competition": ({"DownloadDataFiles": (404, None)}, UNKNOWN, False),
    "no such competition, in words": (
        {"DownloadDataFiles": (404, "Competition not found")}, UNKNOWN, False),
    "nothing in storage": ({"GET": (404, None)}, UNKNOWN, False),
    "a bad request": (
        {"DownloadDataFiles": (400, "Not while the moon is full.")},
        "no whole archive arrived (kaggle said: Not while the moon is full); run again to resume",
        False),
    "too many requests": ({"DownloadDataFiles": (429, None)}, PATIENCE, True),
    "too many requests, in words": (
        {"DownloadDataFiles": (429, "Too many requests")}, PATIENCE, True),
    "kaggle is broken": ({"DownloadDataFiles": (500, None)}, TROUBLE, True),
    "kaggle is away": ({"DownloadDataFiles": (503, None)}, TROUBLE, True),
    "the connection is cut": ({"DownloadDataFiles": "cut"}, LOST, True),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_ends_the_stage_in_one_sentence(site, tmp_path, capfd, name):
    """Whatever kaggle's own exit status: one sentence, status 1, tried again where that helps."""
    site.faults, sentence, passes = dict(FAULTS[name][0]), *FAULTS[name][1:]
    project = write_project(tmp_path / "p", "kaggle", **{"competition.slug": SLUG})
    result = run_stage(project, "fetch")
    assert result.exit_code == 1
    said = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(said) == 1
    assert said[0].startswith(f"Error: download of {SLUG} failed: {sentence}")
    assert result.stderr.splitlines()[-1] == said[0]
    assert "Traceback" not in result.output
    assert [p for p in project.rglob("*.zip*")] == []
    tries = sum(request.startswith(f"POST {DOWNLOAD}") for request in site.requests)
    assert tries == (3 if passes else 1)


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault[2]])
def test_what_passes_is_waited_for_aloud(site, folder, capfd, name):
    site.faults = {method: [fault] for method, fault in FAULTS[name][0].items()}
    assert download.download(SLUG, folder).read_bytes() == SMALL
    assert f"kaggle: {FAULTS[name][1]}; trying again in 0.01 s" in capfd.readouterr().err


def test_storage_that_asks_for_patience_is_waited_for_as_long_as_it_asks(site, folder):
    site.faults, site.retry_after = {"GET": [(429, None)]}, 1
    start = time.monotonic()
    assert download.download(SLUG, folder).read_bytes() == SMALL
    assert time.monotonic() - start > 1


def test_without_a_token_it_is_said_where_to_put_one(site, folder, monkeypatch):
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    said = refusal(folder)
    for place in ("~/.kaggle/access_token", "KAGGLE_API_TOKEN", "~/.kaggle/kaggle.json",
                  "KAGGLE_USERNAME and KAGGLE_KEY", "`kaggle auth login`"):  # fmt: skip
        assert place in said
    assert site.requests == []


@pytest.mark.parametrize("credentials", [{"KAGGLE_API_TOKEN": TOKEN}, {"KAGGLE_KEY": KEY}])
def test_a_token_and_a_key_are_both_good(site, folder, monkeypatch, credentials):
    monkeypatch.delenv("KAGGLE_KEY")
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    assert download.download(SLUG, folder).read_bytes() == SMALL


def test_a_wrong_key_is_refused(site, folder, monkeypatch):
    monkeypatch.setenv("KAGGLE_KEY", "another")
    assert NO_TOKEN in refusal(folder)


def test_kaggle_out_of_reach_is_told(site, folder, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert LOST in refusal(folder)


def test_the_users_own_settings_do_not_change_what_is_asked_for(site, folder, monkeypatch, capfd):
    for name, value in {"KAGGLE_COMPETITION": "titanic", "KAGGLE_PATH": "/nowhere",
                        "VERBOSE": "true"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert download.download(SLUG, folder) == folder / f"{SLUG}.zip"
    assert site.requests == [f"POST {DOWNLOAD} {SLUG}", f"GET {STORAGE}"]
    shown = capfd.readouterr()
    assert KEY not in shown.out + shown.err


def test_credentials_are_never_told(site, folder, capfd):
    site.faults = {"DownloadDataFiles": (500, None)}
    said = refusal(folder)
    shown = capfd.readouterr()
    assert KEY not in said + shown.out + shown.err


def test_a_full_disk_is_told(site, folder, monkeypatch, tmp_path):
    """A command of that name that fails as kaggle does when the disk is full."""
    fake = tmp_path / "bin" / "kaggle"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho '[Errno 28] No space left on device' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    assert "the disk is full; free some space, then run again to resume" in refusal(folder)


def test_ctrl_c_is_no_success_and_the_partial_download_stays(site, tmp_path):
    """kaggle exits 0 on it; it goes to the whole process group, as from a terminal."""
    site.archive, site.sends, site.at_cut = LARGE, 2 * MIB, "stall"
    project = write_project(tmp_path / "p", "kaggle", **{"competition.slug": SLUG})
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.fetch"], cwd=project, start_new_session=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE,
    )  # fmt: skip
    archive = project / f"work/downloads/{SLUG}.zip"
    until_it_holds(archive, 2 * MIB)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert said.splitlines()[-1] == (
        f"Error: download of {SLUG} was interrupted; run again to go on where it stopped."
    )
    assert archive.stat().st_size == 2 * MIB
    assert run_stage(project, "fetch").exit_code == 0
    assert site.ranges[-1] == f"bytes={2 * MIB}-"


def test_without_the_command_the_environment_is_to_be_activated(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    assert "activate the environment" in refusal(folder)


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(SMALL[:-10], id="cut in its directory"),
        pytest.param(SMALL[:60], id="cut in its files"),
        pytest.param(SMALL.replace(b"boxer", b"poxer"), id="a byte changed"),
        pytest.param(b"<html>Sign in</html>", id="a page"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_damaged_archive_is_refused_and_does_not_stay(site, folder, left, damaged):
    site.archive = damaged
    assert "no whole archive arrived" in refusal(folder)
    assert left() == []


def test_the_run_after_a_damaged_archive_gets_the_whole_one(site, folder):
    site.archive = SMALL.replace(b"boxer", b"poxer")
    refusal(folder)
    site.archive = SMALL
    assert download.download(SLUG, folder).read_bytes() == SMALL


def test_a_whole_archive_is_not_downloaded_again(site, folder):
    path = download.download(SLUG, folder)
    os.utime(path)
    written = path.stat().st_mtime_ns
    assert download.download(SLUG, folder).read_bytes() == SMALL
    assert path.stat().st_mtime_ns == written


def test_a_connection_that_breaks_is_taken_up_where_it_broke(site, folder, left):
    site.archive, site.sends = LARGE, 2 * MIB
    assert download.download(SLUG, folder).read_bytes() == LARGE
    assert site.ranges == [None, f"bytes={2 * MIB}-"]
    assert left() == [f"{SLUG}.zip"]


def test_a_download_that_was_killed_is_resumed_by_the_next(site, folder, left):
    site.archive, site.sends, site.at_cut = LARGE, 2 * MIB, "stall"
    kill_once_it_holds(folder / f"{SLUG}.zip", 2 * MIB)
    assert left() == [f"{SLUG}.zip", f"{SLUG}.zip.kaggle-partial"]
    assert download.download(SLUG, folder).read_bytes() == LARGE
    assert site.ranges[-1] == f"bytes={2 * MIB}-"
    assert left() == [f"{SLUG}.zip"]


def kill_once_it_holds(archive: Path, size: int) -> None:
    """Start a download in a process group of its own, and kill it in the middle."""
    code = (
        "from pathlib import Path; from stages.competition import download; "
        f"download.download({SLUG!r}, Path({str(archive.parent)!r}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL
    )
    until_it_holds(archive, size)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def until_it_holds(archive: Path, size: int) -> None:
    """Wait until so much of a download has come."""
    end = time.monotonic() + 60
    while not (archive.exists() and archive.stat().st_size == size):
        assert time.monotonic() < end, "the download did not begin"
        time.sleep(0.05)


def test_a_partial_download_outlives_a_failure(site, folder, left):
    write_partial(folder, LARGE[:MIB], len(LARGE))
    site.faults = {"DownloadDataFiles": (429, None)}
    refusal(folder)
    assert left() == [f"{SLUG}.zip", f"{SLUG}.zip.kaggle-partial"]


def test_a_download_that_was_killed_after_its_last_byte_is_accepted(site, folder, left):
    write_partial(folder, SMALL, len(SMALL))
    assert download.download(SLUG, folder).read_bytes() == SMALL
    assert left() == [f"{SLUG}.zip"]


def write_partial(folder: Path, data: bytes, size: int) -> None:
    """What a killed download leaves: the file so far, and the marker beside it."""
    folder.mkdir()
    (folder / f"{SLUG}.zip").write_bytes(data)
    marker = {"validator": '"one"', "size": size}
    (folder / f"{SLUG}.zip.kaggle-partial").write_text(json.dumps(marker))


def test_nothing_is_unpacked_or_written_outside_the_folder(site, folder, tmp_path):
    site.archive = archive_of({"../evil.txt": b"x", "/evil.txt": b"x", "a/../../evil.txt": b"x"})
    before = sorted(tmp_path.rglob("*"))
    path = download.download(SLUG, folder)
    own = tmp_path / "home"
    after = [p for p in sorted(tmp_path.rglob("*")) if own not in p.parents]
    assert after == sorted([*before, folder, path])
    assert not Path("/evil.txt").exists()


def test_the_fetch_stage_brings_the_archive_to_data_raw_and_downloads_it_once(site, tmp_path):
    project = write_project(tmp_path / "project", "kaggle", **{"competition.slug": SLUG})
    assert run_stage(project, "fetch").exit_code == 0
    assert (project / f"data/raw/{SLUG}.zip").read_bytes() == SMALL
    assert sorted(p.name for p in (project / "data/raw").iterdir()) == [f"{SLUG}.zip"]


def test_the_fetch_stage_resumes_though_dvc_clears_its_outs(site, tmp_path):
    site.archive, site.sends, site.at_cut = LARGE, 2 * MIB, "stall"
    project = write_project(tmp_path / "project", "kaggle", **{"competition.slug": SLUG})
    kill_once_it_holds(project / f"work/downloads/{SLUG}.zip", 2 * MIB)
    assert run_stage(project, "fetch").exit_code == 0
    assert site.ranges[-1] == f"bytes={2 * MIB}-"
    assert (project / f"data/raw/{SLUG}.zip").read_bytes() == LARGE
