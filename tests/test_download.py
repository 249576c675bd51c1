"""Downloading with the real `kaggle` command, which talks to a server of our own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from stages.base import bar
from stages.base.errors import UserError
from stages.competition import download, kaggle
from tests.kaggle_server import DOWNLOAD, KEY, SIGNATURE, STORAGE, TOKEN, Fault, loopback
from tests.project import heeds_signals, run_stage, write_project

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
def site(site, monkeypatch, tmp_path):
    """Kaggle's stand-in with a small competition; nobody waits long between tries."""
    site.archive = SMALL
    hurry(monkeypatch, tmp_path)
    return site


def hurry(monkeypatch, folder: Path) -> None:
    """Shorten the waits between tries: ours, and by a module that Python loads first, kaggle's."""
    monkeypatch.setattr(download, "WAITS", (0.01, 0.01))
    (folder / "hurry").mkdir()
    code = "import time\nsleep = time.sleep\ntime.sleep = lambda s: sleep(min(s, 0.01))\n"
    (folder / "hurry/sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder / "hurry"))


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


def test_kaggles_bar_is_shown_to_who_looks(site, folder, capfd, monkeypatch):
    monkeypatch.setattr(bar, "watched", lambda: True)
    download.download(SLUG, folder)
    assert "100%" in capfd.readouterr().err


def test_in_a_pipe_kaggles_bar_is_not_passed_on(site, folder, capfd):
    download.download(SLUG, folder)
    assert capfd.readouterr().err == ""


RULES = f"accept the competition's rules at https://www.kaggle.com/competitions/{SLUG}/rules"
NO_TOKEN = "`kaggle` found no token that it accepts; make one at https://www.kaggle.com/settings"
UNKNOWN = f"Kaggle knows no competition '{SLUG}'; check competition.slug"
PATIENCE = "Kaggle asks for patience; wait some minutes, then run again"
TROUBLE = "Kaggle has trouble of its own; run again later"
LOST = "Kaggle could not be reached, or was lost on the way; look to the network, then run again"
NOT_WHOLE = "no whole archive arrived"
DAMAGED = f"{NOT_WHOLE}, what came was damaged; run again"
FULL = "the disk is full; free some space, then run again to resume"
ACCEPT_FIRST = "You must accept this competition's rules before you'll be able to download files."


@dataclass(frozen=True)
class Case:
    """A way in which a download fails: for ever, here; `passes` if it is worth another try."""

    sentence: str
    faults: dict = field(default_factory=dict)
    passes: bool = False
    environment: dict[str, str | None] = field(default_factory=dict)
    prepare: Callable[[Path], None] = lambda downloads: None

    def enter(self, site, downloads, monkeypatch):
        site.faults = dict(self.faults)
        self.prepare(downloads)
        for name, value in self.environment.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)


def full(downloads: Path) -> None:
    """The archive's place is a device on which there is never any space: the real ENOSPC."""
    downloads.mkdir(parents=True)
    (downloads / f"{SLUG}.zip").symlink_to("/dev/full")


def said(status: int, message: str | None = None) -> dict:
    return {"DownloadDataFiles": (status, message)}


NO_KEY = {"KAGGLE_USERNAME": None, "KAGGLE_KEY": None}
CASES = {
    "rules not accepted": Case(RULES, said(403, ACCEPT_FIRST)),
    "forbidden": Case(RULES, said(403)),
    "storage forbids": Case(RULES, {"GET": (403, None)}),
    "no credentials": Case(NO_TOKEN, environment=NO_KEY),
    "a wrong key": Case(NO_TOKEN, environment={"KAGGLE_KEY": "another-key"}),
    "a wrong token": Case(NO_TOKEN, environment=NO_KEY | {"KAGGLE_API_TOKEN": "wrong-token"}),
    "tokens cannot be looked up": Case(
        NO_TOKEN, {"IntrospectToken": (401, None)}, environment={"KAGGLE_API_TOKEN": TOKEN}
    ),
    "no such competition": Case(UNKNOWN, said(404)),
    "no such competition, in words": Case(UNKNOWN, said(404, "Competition not found")),
    "nothing in storage": Case(UNKNOWN, {"GET": (404, None)}),
    "a bad request": Case(
        f"{NOT_WHOLE} (Kaggle said: Not while the moon is full); run again to resume",
        said(400, "Not while the moon is full."),
    ),
    "too many requests": Case(PATIENCE, said(429), passes=True),
    "too many requests, in words": Case(PATIENCE, said(429, "Too many requests"), passes=True),
    "storage asks for patience": Case(PATIENCE, {"GET": (429, None)}, passes=True),
    "kaggle is broken": Case(TROUBLE, said(500), passes=True),
    "kaggle is away": Case(TROUBLE, said(503), passes=True),
    "storage is away": Case(TROUBLE, {"GET": (503, None)}, passes=True),
    "no answer": Case(LOST, {"DownloadDataFiles": "cut"}, passes=True),
    "no answer about the token": Case(
        LOST, {"IntrospectToken": "cut"}, passes=True, environment={"KAGGLE_API_TOKEN": TOKEN}
    ),
    "no byte of the archive": Case(LOST, {"GET": "cut"}, passes=True),
    "silence": Case(LOST, {"GET": Fault(stall=100)}, passes=True),
    "out of reach": Case(LOST, passes=True, environment={"HTTP_PROXY": "http://127.0.0.1:9"}),
    "a full disk": Case(FULL, prepare=full),
    "no command": Case("the command `kaggle` is not on PATH", environment={"PATH": "/nowhere"}),
    "a truncated archive": Case(DAMAGED, {"GET": Fault(damage=lambda data: data[:-10])}),
    "changed bytes": Case(
        DAMAGED, {"GET": Fault(damage=lambda data: data.replace(b"boxer", b"poxer"))}
    ),
    "a member that climbs": Case(
        f"{SLUG}.zip holds '../evil.txt', which would climb out of its folder",
        {"GET": Fault(damage=lambda _: archive_of({"a.csv": b"", "../evil.txt": b"x"}))},
    ),
}


def outcome(name: str, site, folder: Path, monkeypatch) -> Result:
    """What the stage does in a case."""
    CASES[name].enter(site, folder / "work/downloads", monkeypatch)
    if name == "silence":
        monkeypatch.setattr(kaggle, "SILENCE", 1.0)
    project = write_project(folder, "kaggle", **{"competition.slug": SLUG})
    return run_stage(project, "fetch")


@pytest.mark.parametrize("name", CASES)
def test_a_fault_ends_the_stage_in_one_sentence(site, tmp_path, monkeypatch, name):
    """Whatever kaggle's own exit status: one sentence, status 1, tried again where that helps."""
    case, project = CASES[name], tmp_path / "p"
    outside = set(tmp_path.iterdir())
    result = outcome(name, site, project, monkeypatch)
    last = result.stderr.splitlines()[-1]
    assert result.exit_code == 1
    assert last.startswith("Error: ")
    assert case.sentence in last
    assert result.output.count("Error: ") == 1
    assert "Traceback" not in result.output
    for secret in (KEY, TOKEN, SIGNATURE, "another-key", "wrong-token"):
        assert secret not in result.output
    assert set(tmp_path.iterdir()) - outside == {project}
    assert not list(project.glob("data/*"))
    assert result.output.count("trying again") == (2 if case.passes else 0)


PASSING = {  # and how often it happens before it has passed: kaggle tries some of it again itself
    "too many requests": 1,
    "storage asks for patience": 1,
    "kaggle is away": 1,
    "no answer": 1,
    "no byte of the archive": 6,
    "silence": 1,
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_waited_for_aloud(site, folder, monkeypatch, capfd, name):
    if name == "silence":
        monkeypatch.setattr(kaggle, "SILENCE", 1.0)
    CASES[name].enter(site, folder, monkeypatch)
    site.faults = {method: [fault] * PASSING[name] for method, fault in CASES[name].faults.items()}
    assert download.download(SLUG, folder).read_bytes() == SMALL
    assert f"{CASES[name].sentence}; trying again in 0.01 s" in capfd.readouterr().err


def table() -> str:
    """Every case, what is said and the exit status, as a table.

    python -c 'from tests.test_download import table; print(table())'
    """
    rows = ["| fault | sentence | status |", "|---|---|---|"]
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
            (Path(folder) / "home").mkdir()
            with loopback(monkeypatch, Path(folder) / "home") as site:
                site.archive = SMALL
                hurry(monkeypatch, Path(folder))
                result = outcome(name, site, Path(folder) / "p", monkeypatch)
        rows.append(f"| {name} | {result.stderr.splitlines()[-1]} | {result.exit_code} |")
    return "\n".join(rows)


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


@pytest.mark.parametrize("whom", ["everybody", "kaggle"])
def test_ctrl_c_is_no_success_and_the_partial_download_stays(site, tmp_path, whom):
    """kaggle exits 0 on it; from a terminal it goes to the whole process group."""
    site.archive, site.faults = LARGE, {"GET": [Fault(stall=2 * MIB)]}
    project = write_project(tmp_path / "p", "kaggle", **{"competition.slug": SLUG})
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.fetch"], cwd=project, start_new_session=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE,
        preexec_fn=heeds_signals,
    )  # fmt: skip
    archive = project / f"work/downloads/{SLUG}.zip"
    until_it_holds(archive, 2 * MIB)
    if whom == "everybody":
        os.killpg(process.pid, signal.SIGINT)
    else:
        os.kill(child(process.pid), signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert last.startswith(f"Error: download of {SLUG} ")
    assert last.endswith("was interrupted; run again to go on where it stopped.")
    assert archive.stat().st_size == 2 * MIB
    assert run_stage(project, "fetch").exit_code == 0
    assert site.ranges[-1] == f"bytes={2 * MIB}-"


def child(pid: int) -> int:
    return int(subprocess.check_output(["pgrep", "-P", str(pid)]))


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
    site.archive, site.faults = LARGE, {"GET": [Fault(cut=2 * MIB)]}
    assert download.download(SLUG, folder).read_bytes() == LARGE
    assert site.ranges == [None, f"bytes={2 * MIB}-"]
    assert left() == [f"{SLUG}.zip"]


def test_a_download_that_was_killed_is_resumed_by_the_next(site, folder, left):
    site.archive, site.faults = LARGE, {"GET": [Fault(stall=2 * MIB)]}
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


def test_the_fetch_stage_brings_the_archive_and_downloads_it_once(site, tmp_path):
    project = write_project(tmp_path / "project", "kaggle", **{"competition.slug": SLUG})
    assert run_stage(project, "fetch").exit_code == 0
    assert (project / "data/competition.zip").read_bytes() == SMALL
    assert [p.name for p in (project / "data").iterdir()] == ["competition.zip"]


def test_the_fetch_stage_resumes_though_dvc_clears_its_outs(site, tmp_path):
    site.archive, site.faults = LARGE, {"GET": [Fault(stall=2 * MIB)]}
    project = write_project(tmp_path / "project", "kaggle", **{"competition.slug": SLUG})
    kill_once_it_holds(project / f"work/downloads/{SLUG}.zip", 2 * MIB)
    assert run_stage(project, "fetch").exit_code == 0
    assert site.ranges[-1] == f"bytes={2 * MIB}-"
    assert (project / "data/competition.zip").read_bytes() == LARGE


def test_an_error_page_over_a_partial_download_is_not_built_upon(site, folder, left):
    """2.2.4 writes the page over the partial file, and leaves the marker; 2.2.5 does not."""
    site.archive = LARGE
    site.faults = {"GET": [Fault(cut=2 * MIB), (403, None), (403, None)]}
    assert download.download(SLUG, folder).read_bytes() == LARGE
    assert left() == [f"{SLUG}.zip"]


def test_a_partial_download_of_an_older_archive_is_begun_anew(site, folder, left):
    """As `If-Range` asks for: the archive changed between the two runs."""
    site.archive = LARGE
    write_partial(folder, SMALL[:100], len(LARGE))
    site.etag = '"two"'
    assert download.download(SLUG, folder).read_bytes() == LARGE
    assert left() == [f"{SLUG}.zip"]


def test_an_archive_with_an_encrypted_file_is_whole(site, folder):
    """Its checksum is of what it says once decrypted; another module refuses it by name."""
    data = bytearray(SMALL.replace(b"boxer", b"?????"))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # APPNOTE 4.3.7, 4.3.12
        data[data.index(signature) + flags] |= 0x1
    site.archive = bytes(data)
    assert download.download(SLUG, folder).read_bytes() == site.archive


def test_a_slow_connection_is_waited_for(site, folder):
    site.archive, site.faults = LARGE, {"GET": Fault(trickle=0.01)}
    assert download.download(SLUG, folder).read_bytes() == LARGE


def test_storage_sees_no_credentials(site, folder):
    download.download(SLUG, folder)
    asked, fetched = site.headers
    assert "Authorization" in asked
    assert "Authorization" not in fetched


@pytest.mark.parametrize("name", ["KAGGLE_API_TOKEN", "KAGGLE_KEY"])
def test_a_credential_that_kaggle_itself_would_print_is_not_told(
    site, folder, monkeypatch, capfd, name
):
    monkeypatch.setenv(name, "half-of\nthe-secret")
    told = refusal(folder)
    shown = capfd.readouterr()
    for half in ("half-of", "the-secret"):
        assert half not in told + shown.out + shown.err


def test_checking_a_large_archive_shows_its_progress(site, folder, monkeypatch, capfd):
    monkeypatch.setattr(download, "LARGE", 1)
    monkeypatch.setattr(bar, "watched", lambda: True)
    download.download(SLUG, folder)
    assert "checking |" in capfd.readouterr().err
