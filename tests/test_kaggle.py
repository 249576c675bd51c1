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

from stages.competition import kaggle
from stages.errors import UserError
from tests.kaggle_server import DOWNLOAD, STORAGE, Kaggle, serve
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
def site(monkeypatch, tmp_path):
    """Kaggle's stand-in, and an environment in which the real command knows no other."""
    for name in list(os.environ):
        if name.upper().startswith("KAGGLE_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    with serve(Kaggle(SMALL)) as kaggle_site:
        proxy = f"http://127.0.0.1:{kaggle_site.port}"
        home = tmp_path / "home"
        home.mkdir()
        for name, value in {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST", "HTTP_PROXY": proxy, "HTTPS_PROXY": proxy,
            "KAGGLE_USERNAME": "tester", "KAGGLE_KEY": "secret-key", "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        yield kaggle_site


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "downloads"


@pytest.fixture
def left(folder):
    """What is in the folder, by name."""
    return lambda: sorted(p.name for p in folder.rglob("*"))


def refusal(folder: Path, slug: str = SLUG) -> str:
    with pytest.raises(UserError) as error:
        kaggle.download(slug, folder)
    assert "\n" not in error.value.message
    return error.value.message


def test_the_archive_arrives_whole(site, folder, left):
    path = kaggle.download(SLUG, folder)
    assert path == folder / f"{SLUG}.zip"
    assert path.read_bytes() == SMALL
    assert left() == [path.name]


def test_the_command_asks_for_this_competition_and_for_nothing_else(site, folder):
    kaggle.download(SLUG, folder)
    assert site.requests == [f"POST {DOWNLOAD} {SLUG}", f"GET {STORAGE}"]


def test_the_progress_bar_is_shown(site, folder, capfd):
    kaggle.download(SLUG, folder)
    assert "100%" in capfd.readouterr().err


@pytest.mark.parametrize(
    "message",
    [None, "You must accept this competition's rules before you'll be able to download files."],
)
def test_rules_that_were_not_accepted_are_pointed_to(site, folder, left, message):
    site.status, site.message = 403, message
    said = refusal(folder)
    assert (
        f"accept the competition's rules at https://www.kaggle.com/competitions/{SLUG}/rules"
        in said
    )
    assert left() == []


@pytest.mark.parametrize("message", [None, "Competition not found"])
def test_a_competition_that_does_not_exist_is_named(site, folder, message):
    site.status, site.message = 404, message
    assert "no competition 'dog-breeds'; check competition.slug" in refusal(folder, "dog-breeds")


def test_too_many_requests_ask_for_patience(site, folder):
    site.status = 429
    assert "wait some minutes, then run again" in refusal(folder)


def test_a_token_that_is_refused_asks_for_another(site, folder):
    site.status = 401
    said = refusal(folder)
    assert "no token that it accepts; make one at https://www.kaggle.com/settings" in said


def test_without_a_token_it_is_said_where_to_put_one(site, folder, monkeypatch):
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    said = refusal(folder)
    assert "make one at https://www.kaggle.com/settings" in said
    assert "put it into ~/.kaggle/access_token, or set KAGGLE_API_TOKEN" in said
    assert site.requests == []


def test_a_failure_that_nobody_foresaw_is_quoted(site, folder):
    site.status, site.message = 500, "the database is on fire."
    assert "kaggle said: the database is on fire)" in refusal(folder)


def test_credentials_are_never_told(site, folder, capfd):
    site.status = 500
    said = refusal(folder)
    shown = capfd.readouterr()
    assert "secret-key" not in said + shown.out + shown.err


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
    assert kaggle.download(SLUG, folder).read_bytes() == SMALL


def test_a_whole_archive_is_not_downloaded_again(site, folder):
    path = kaggle.download(SLUG, folder)
    os.utime(path)
    written = path.stat().st_mtime_ns
    assert kaggle.download(SLUG, folder).read_bytes() == SMALL
    assert path.stat().st_mtime_ns == written


def test_a_connection_that_breaks_is_taken_up_where_it_broke(site, folder, left):
    site.archive, site.sends = LARGE, 2 * MIB
    assert kaggle.download(SLUG, folder).read_bytes() == LARGE
    assert site.ranges == [None, f"bytes={2 * MIB}-"]
    assert left() == [f"{SLUG}.zip"]


def test_a_download_that_was_killed_is_resumed_by_the_next(site, folder, left):
    site.archive, site.sends, site.at_cut = LARGE, 2 * MIB, "stall"
    kill_once_it_holds(folder / f"{SLUG}.zip", 2 * MIB)
    assert left() == [f"{SLUG}.zip", f"{SLUG}.zip.kaggle-partial"]
    assert kaggle.download(SLUG, folder).read_bytes() == LARGE
    assert site.ranges[-1] == f"bytes={2 * MIB}-"
    assert left() == [f"{SLUG}.zip"]


def kill_once_it_holds(archive: Path, size: int) -> None:
    """Start a download in a process group of its own, and kill it in the middle."""
    code = (
        "from pathlib import Path; from stages.competition import kaggle; "
        f"kaggle.download({SLUG!r}, Path({str(archive.parent)!r}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 60
    while not (archive.exists() and archive.stat().st_size == size):
        assert time.monotonic() < end, "the download did not begin"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_partial_download_outlives_a_failure(site, folder, left):
    write_partial(folder, LARGE[:MIB], len(LARGE))
    site.status = 429
    refusal(folder)
    assert left() == [f"{SLUG}.zip", f"{SLUG}.zip.kaggle-partial"]


def test_a_download_that_was_killed_after_its_last_byte_is_accepted(site, folder, left):
    write_partial(folder, SMALL, len(SMALL))
    assert kaggle.download(SLUG, folder).read_bytes() == SMALL
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
    path = kaggle.download(SLUG, folder)
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
