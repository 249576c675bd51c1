"""Every command of README.md and docs/ runs as it stands, and what they say of params.yaml holds.

A page's commands run in their order in a repository of its own, with a small competition and a
Kaggle on the loopback. What the pages share are DVC's results: a stage that ran for one page comes
from the cache for the next.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from stages.base import params
from stages.cli import COMMANDS, main
from tests import competitions
from tests.kaggle_server import TOKEN, Kaggle, loopback
from tests.project import PER_FOLD, ROOT, TINY, commit, dvc, edit, stages_run, write_repository

PAGES = [Path("README.md"), *sorted(p.relative_to(ROOT) for p in (ROOT / "docs").glob("*.md"))]
RECIPE = "recipes/dog-breed-identification.yaml"
SMALL = {  # what a recipe is cut down to; TTA keeps its views, for pages change them
    key: value for key, value in TINY.items() if not key.startswith(("competition.", "tta.aug"))
}
NOT_RUN = {
    "make test": "it is what runs this",
    "pip install -e .": "it would change the environment that the tests run in",
}
TEXT = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", TEXT[page], re.MULTILINE | re.DOTALL)
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def commands(page: Path) -> list[str]:
    """The lines of a page that are to be typed."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def plain(command: str) -> str:
    """A command without the comment after it."""
    return re.sub(r"\s+# .*", "", command)


@dataclass
class World:
    """A repository to clone, a Kaggle, and a folder /kaggle as its notebooks have it."""

    repository: Path
    kaggle: Kaggle
    disk: Path

    def run(self, command: str, folder: Path) -> tuple[str, Path]:
        """Type a command in a folder: what it printed, and the folder that one is in then."""
        typed = command.replace("<this repository>", str(self.repository))
        typed = typed.replace("/kaggle/", f"{self.disk}/").replace("seq 0 4", "seq 1 2")
        here = self.disk.parent / "here"
        done = subprocess.run(
            ["bash", "-c", f"{typed}\nstatus=$?; pwd > {here}; exit $status"], cwd=folder,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout, Path(here.read_text().strip())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which the bundled competition is small, and has been run once."""
    top = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch, loopback(patch, top / "home") as kaggle:
        dogs = breeds()
        kaggle.archive, kaggle.score, kaggle.pending = dogs.archive(), dogs.score, 0
        address = "https://www.kaggle.com/competitions/dog-breed-identification"
        kaggle.competitions = [{"ref": address, "userHasEntered": True}]
        patch.setenv("MY_TOKEN", TOKEN)
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        write_home(top / "home", top / "cache")
        (top / "dogs.zip").write_bytes(kaggle.archive)
        with zipfile.ZipFile(top / "dogs.zip") as archive:
            archive.extractall(top / "kaggle/input/dog-breed-identification")
        (top / "kaggle/working").mkdir()
        yield World(write_bundled(top / "bundled", top / "dogs.zip"), kaggle, top / "kaggle")


def breeds() -> competitions.Competition:
    """A small competition with the files of dog breeds."""
    found = competitions.csv_columns()
    found.files["labels.csv"] = found.files["labels.csv"].replace(b"id,label", b"id,breed", 1)
    return found


def write_home(home: Path, cache: Path) -> None:
    """A user's settings: a name for git, and one cache for all repositories."""
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\nname = test\nemail = test@example.org\n")
    (home / "config/dvc").mkdir(parents=True)
    (home / "config/dvc/config").write_text(f"[cache]\ndir = {cache}\n")


def write_bundled(folder: Path, archive: Path) -> Path:
    """The repository, with the small competition in place of the digits."""
    write_repository(folder, archive)
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "recipes"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    shutil.copy(folder / RECIPE, folder / "params.yaml")
    edit(folder / "params.yaml", **(SMALL | {"competition.source": str(archive)}))
    assert "submission" in stages_run(dvc(folder, "repro"))
    commit(folder, "bundled")
    return folder


@pytest.mark.parametrize(
    "page", [pytest.param(p, id=f"{p}: {len(commands(p))} commands") for p in PAGES if commands(p)]
)
def test_every_command_of_a_page_runs(world: World, page: Path, tmp_path: Path) -> None:
    folder = tmp_path
    if not commands(page)[0].startswith("git clone"):
        _, folder = world.run("git clone -q <this repository> here && cd here", folder)
        world.run("dvc checkout", folder)
    for command in map(plain, commands(page)):
        if command not in NOT_RUN:
            make_ready(command, world, folder)
            output, folder = world.run(command, folder)
            if command.startswith("cp recipes/"):
                edit(folder / "params.yaml", **SMALL)
            check(command, output, folder)


def make_ready(command: str, world: World, folder: Path) -> None:
    """Do what a page tells to do by hand, before a command."""
    if command.startswith("make"):  # the environment is there: it is this one
        (folder / ".venv").mkdir()
        (folder / ".venv/ready").touch()
    if "xargs" in command:  # "`folds` says which": two of the five
        edit(folder / "params.yaml", folds=[1, 2])
    if command.endswith("&& cd again"):  # "make the output a dataset, named run"
        (world.disk / "working").rename(world.disk / "input/run")
    if command.endswith("&& cd predict"):  # "Kaggle runs the notebook again with the real ones"
        (world.disk / "working").mkdir()
        hide(world.disk / "input/dog-breed-identification")


def hide(competition: Path) -> None:
    """Put other test images in place, as Kaggle does when it runs a notebook again."""
    sample = competition / "sample_submission.csv"
    for image in (competition / "test").iterdir():
        image.rename(image.with_stem(f"hidden{image.stem}"))
    sample.write_text(re.sub(r"^(?=\d)", "hidden", sample.read_text(), flags=re.MULTILINE))


def check(command: str, output: str, folder: Path) -> None:
    """Look whether a command did what its page says, where its exit status does not tell."""
    stages = [name.partition("@")[0] for name in stages_run(output)]
    if "--pull" in command:
        assert not stages, output
    if "xargs" in command:
        trained = {name for name in stages_run(output) if "@" in name}
        assert trained == {f"{stage}@{fold}" for stage in PER_FOLD for fold in (1, 2)}
        assert not stages_run(dvc(folder, "repro", "--dry", "tta"))
    if "--single-item" in command:
        assert stages == [name for name in command.split()[3:] if not name.startswith("--")]
    if command.startswith("dvc repro --single-item split"):
        rows = (folder / "submissions/submission.csv").read_text().splitlines()[1:]
        assert len(rows) == competitions.TEST
        assert all(row.startswith("hidden") for row in rows)


@pytest.mark.parametrize("command", NOT_RUN)
def test_what_is_not_run_is_still_written_somewhere(command: str) -> None:
    assert any(command in map(plain, commands(page)) for page in PAGES)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")], ids=str)
def test_every_piece_of_params_can_be_put_into_params_yaml(page: Path, tmp_path: Path) -> None:
    for text in blocks(page, "yaml"):
        shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
        found = {}
        for group, keys in YAML(typ="safe").load(text).items():
            inside = isinstance(keys, dict)
            found |= {f"{group}.{k}": v for k, v in keys.items()} if inside else {group: keys}
        edit(tmp_path / "params.yaml", **found)
        params.read(tmp_path / "params.yaml")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_named_in_passing_exist(page: Path) -> None:
    for name, rest in re.findall(r"`repodium (\w[\w-]*)([^`]*)`", TEXT[page]):
        assert name in COMMANDS, f"{page}: repodium {name}"
        said = CliRunner().invoke(main, [name, "--help"]).output
        assert not [word for word in re.findall(r"--[\w-]+", rest) if word not in said], name


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_pages_and_files_that_are_linked_are_there(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", TEXT[page]):
        assert (ROOT / page.parent / target).exists(), f"{page}: {target}"


def test_the_page_of_params_is_todays() -> None:
    made = CliRunner().invoke(main, ["schema", "--markdown"]).output
    assert TEXT[Path("docs/params.md")] == made


def test_keys_named_in_the_pages_are_keys_of_params_yaml() -> None:
    known = YAML(typ="safe").load(ROOT / "params.yaml")
    for page, text in TEXT.items():
        for group, key in re.findall(r"`([a-z_]+)\.([a-z_]+)(?::[^`]*)?`", text):
            if group in known and key not in ("py", "yaml", "csv", "json", "png", "md", "lock"):
                assert key in known[group], f"{page}: {group}.{key}"
