"""`repodium doctor`: whether this machine is ready, a line a thing, none left out for another."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.base import params, paths, terminal
from stages.base.errors import UserError
from stages.commands import clean
from stages.competition import kaggle, submissions
from stages.competition.local import local
from stages.shell.command import Command

if TYPE_CHECKING:
    from stages.base.settings import Settings

NEEDED = (2, 2, 4)  # of the kaggle command
LEAST = 5e9  # bytes free, also where it is not known how much the competition needs
PAGES = 5  # of 200 files each, from which a competition's size is told
AT_KAGGLE = {"kaggle", "credentials", "account"}
IN_NOTEBOOK = {"KAGGLE_KERNEL_RUN_TYPE", "KAGGLE_DATA_PROXY_URL", "KAGGLE_API_V1_TOKEN"}
GB = 1e9  # bytes
HOME = Path("~/.kaggle")
TOKEN_FILES = ("access_token", "access_token.txt")
ROOM = "make room, or move DVC's cache (`dvc cache dir --local FOLDER`)"
INDENT = 17  # columns of a line before its sentence


@click.command(
    cls=Command,
    examples={"repodium doctor": "a line a thing: ok, or no and what to do"},
)
@click.pass_context
def command(context: click.Context) -> None:
    """Say whether this machine is ready, and how to mend it.

    Params, git, DVC, the kaggle command, its credentials, the competition's rules, disk space,
    device and network, each by itself. The exit status is 1 if anything is not ready.
    """
    ready, most = True, terminal.columns(sys.stdout)
    for name, good, said in lines():
        mark = terminal.good("ok") if good else terminal.bad("no")
        click.echo(f"{name:<12} {mark}  {terminal.wrapped(said, most, INDENT)}")
        ready &= good
    context.exit(0 if ready else 1)


def lines() -> Iterator[tuple[str, bool, str]]:
    """Name, whether it is well, and a sentence, of each line."""
    checkup, told = Checkup(), {}
    for name, look in LINES.items():
        try:
            yield name, True, checkup.spared(name) or look(checkup)
        except UserError as error:
            first = told.setdefault(error.message, name)
            yield name, False, error.message if first == name else f"the same as {first}"


class Checkup:
    """What is looked at: a method says what is well, or raises what is to be done."""

    @cached_property
    def settings(self) -> Settings:
        """The params.

        Raises:
            UserError: they are not sound, which the first line tells in full.

        """
        try:
            return params.read()
        except UserError:
            raise UserError("told once params.yaml is sound.") from None

    def spared(self, name: str) -> str:
        """Why a line is not needed; empty if it is."""
        with suppress(UserError):
            if name in AT_KAGGLE and self.settings.competition.source != "kaggle":
                return f"not needed, competition.source is {self.settings.competition.source}"
        return ""

    def sound(self) -> str:
        """What params.yaml says, in short."""
        c = params.read().competition
        return f"{c.slug}, source {c.source}, {c.task}, {c.metric}"

    def git(self) -> str:
        """The commit on which the next submission would stand."""
        commit = _output("git", "rev-parse", "--short=12", "HEAD")
        if commit is None:
            raise UserError("there is no commit yet; run `git init && git add -A && git commit`.")
        return f"at {commit}"

    def dvc(self) -> str:
        """DVC's version, and where its cache is."""
        if clean.damaged(clean.RWLOCK):
            raise UserError("its lock file was cut off when it was killed; run `repodium clean`.")
        return f"{version('dvc')}, cache {self._cache}"

    @cached_property
    def _cache(self) -> Path:
        if (folder := _output("dvc", "cache", "dir")) is None:
            raise UserError("it is not set up here; run `dvc init`.")
        return Path(folder)

    def cli(self) -> str:
        """The kaggle command's version."""
        said = kaggle.run("--version").out
        found = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
        if not found or tuple(map(int, found.groups())) < NEEDED:
            wanted = ".".join(map(str, NEEDED))
            raise UserError(f"{said.strip()} is too old; run `pip install 'kaggle>={wanted}'`.")
        return found.group()

    def credentials(self) -> str:
        """Which credentials kaggle takes of those that are there; never what they are."""
        answer = kaggle.run("config", "view")
        said = dict(re.findall(r"^- (\w+): (.*)$", answer.out, re.MULTILINE))
        if said.get("auth_method", "None") == "None":
            raise UserError(f"{submissions.why(answer.said, '')}.")
        return f"{said['username']}, by {source(said['auth_method'])}"

    def account(self) -> str:
        """Whether Kaggle accepts the credentials: a key is not tried before it is used."""
        return f"accepted; the search {'finds' if self._row else 'does not find'} {self._slug}"

    def competition(self) -> str:
        """Whether the competition is there and, at Kaggle, its rules are accepted."""
        source = self.settings.competition.source
        if source != "kaggle":
            return "the bundled one" if source == "demo" else f"{local(source)} is there"
        size, rules = self._size, kaggle.RULES.format(slug=self._slug)
        if not self._row.get("userHasEntered", True):
            raise UserError(f"it is not entered yet; at {rules} accept the rules of {self._slug}.")
        entered = "entered" if self._row else f"its rules are at {rules}"
        return f"{self._slug}, {size / GB:.1f} GB, {entered}"

    @cached_property
    def _slug(self) -> str:
        return self.settings.competition.slug

    @cached_property
    def _row(self) -> dict[str, Any]:
        """What Kaggle's search says of the competition; nothing where it does not find it."""
        rows = self._rows("list", "-s", self._slug)
        return next(
            (row for row in rows if str(row.get("ref")).rpartition("/")[2] == self._slug), {}
        )

    @cached_property
    def _size(self) -> int:
        """Bytes of the competition's files.

        Raises:
            UserError: Kaggle does not tell them.

        """
        sizes = [row.get("size") for row in self._rows("files", self._slug)]
        if not all(isinstance(size, int) for size in sizes):
            raise UserError(
                f"Kaggle does not tell the sizes of the files of {self._slug}; run again later."
            )
        return sum(sizes)

    def _rows(self, *words: str) -> list[dict[str, Any]]:
        """What a `kaggle competitions` command lists, on the first pages.

        Raises:
            UserError: it fails; one sentence with the remedy.

        """
        rows, following = [], []
        for _ in range(PAGES):
            form = ("--page-size", "200", "--format", "json", *following)
            answer = kaggle.run("competitions", *words, *form)
            if answer.status:
                raise UserError(f"{submissions.why(answer.said, self._slug)}.")
            rows += submissions.rows_of(answer.out)
            if not (token := re.search(r"^Next Page Token = (\S+)$", answer.out, re.MULTILINE)):
                break
            following = ["--page-token", token[1]]
        return rows

    def disk(self) -> str:
        """Free space for the download and for DVC's copy of it, which may lie apart."""
        places = [Path.cwd(), _existing(self._cache)]
        apart = len({place.stat().st_dev for place in places}) > 1
        needed = max(LEAST, self._to_come * (1 if apart else 2))
        free = {place: shutil.disk_usage(place).free for place in places[: 1 + apart]}
        told = ", ".join(f"{size / GB:.0f} GB free at {place}" for place, size in free.items())
        if min(free.values()) < needed:
            raise UserError(f"{told}, and {needed / GB:.0f} GB are needed; {ROOM}.")
        return f"{told}; {needed / GB:.0f} GB needed"

    @property
    def _to_come(self) -> int:
        """Bytes still to be downloaded, as far as Kaggle tells."""
        if self.settings.competition.source == "kaggle" and not paths.COMPETITION.exists():
            with suppress(UserError):
                return self._size
        return 0

    def device(self) -> str:
        """Where the network would run, and in which precision."""
        from stages.model import hardware  # torch takes seconds to import

        s = self.settings
        where = hardware.resolve_device(s.runtime)
        found = hardware.record(hardware.resolve_precision(s.model.precision, where))
        return f"{found['device']}, {found['threads']} threads, {found['precision']}"

    def network(self) -> str:
        """The architecture, and every size of image that it is to see."""
        from stages.learner import plan
        from stages.model import network

        s = self.settings
        sizes = sorted({s.head.image_size, *(entry.image_size for entry in plan.entries(s))})
        for size in sizes:
            network.check_size(s.model.architecture, size)
        return f"{s.model.architecture}, for images of {', '.join(map(str, sizes))} pixels"


LINES: dict[str, Callable[[Checkup], str]] = {
    "params.yaml": Checkup.sound,
    "git": Checkup.git,
    "dvc": Checkup.dvc,
    "kaggle": Checkup.cli,
    "credentials": Checkup.credentials,
    "account": Checkup.account,
    "competition": Checkup.competition,
    "disk": Checkup.disk,
    "device": Checkup.device,
    "network": Checkup.network,
}


def source(method: str) -> str:
    """Where kaggle found its credentials, in the order in which it looks (kagglesdk 0.1.37)."""
    token = _token()
    if method == "ACCESS_TOKEN":
        return str(token)
    by_key = {*os.environ} >= {"KAGGLE_USERNAME", "KAGGLE_KEY"}
    places = {
        "LEGACY_API_KEY": "KAGGLE_USERNAME and KAGGLE_KEY" if by_key else "kaggle.json",
        "OAUTH": f"{HOME}/credentials.json (`kaggle auth login`)",
    }
    passed_over = f"; the token of {token} is not valid" if token else ""
    return places.get(method, method) + passed_over


def _token() -> str | None:
    """The first place that holds an access token, valid or not."""
    places = {
        "KAGGLE_API_V1_TOKEN": {*os.environ} >= IN_NOTEBOOK,
        "KAGGLE_API_TOKEN": bool(os.environ.get("KAGGLE_API_TOKEN")),
        **{f"{HOME}/{n}": (HOME / n).expanduser().exists() for n in TOKEN_FILES},
    }
    return next((place for place, there in places.items() if there), None)


def _output(*words: str) -> str | None:
    """What a command prints; nothing if it fails.

    Raises:
        UserError: there is no such command.

    """
    try:
        ran = subprocess.run(words, capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError(f"the command `{words[0]}` is not on PATH; install it.") from None
    return ran.stdout.strip() if ran.returncode == 0 else None


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())
