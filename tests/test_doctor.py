"""`repodium doctor`: a line a thing, what is well or what is to be done."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from stages.base.errors import UserError
from stages.commands import doctor
from stages.commands.doctor import Checkup
from stages.competition.kaggle import RULES
from stages.model.processor import processor
from tests.kaggle_server import KEY, TOKEN, USER
from tests.project import ROOT, commit, dvc, edit, git

SLUG = "dog-breed-identification"
NAMES = [
    "params.yaml", "git", "dvc", "kaggle", "credentials", "account", "competition", "disk",
    "device", "network",
]  # fmt: skip


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository") / "repository"
    folder.mkdir()
    shutil.copy(ROOT / "params.yaml", folder)
    changes = {"competition.slug": SLUG, "competition.source": "kaggle"}
    changes |= {"runtime.device": "cpu", "model.architecture": "test_efficientnet"}
    edit(folder / "params.yaml", **changes)
    git(folder, "init", "-q")
    dvc(folder, "init", "-q")
    commit(folder, "start")
    return folder


@pytest.fixture
def repository(made_once, tmp_path, monkeypatch):
    """A repository that is about to enter a competition."""
    folder = shutil.copytree(made_once, tmp_path / "repository")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def entered(site, repository):
    """The same, and a Kaggle that knows of it."""
    site.competitions = [
        {"ref": f"https://www.kaggle.com/competitions/{SLUG}-2", "userHasEntered": False},
        {"ref": f"https://www.kaggle.com/competitions/{SLUG}", "userHasEntered": True},
    ]
    site.files = [
        {"name": "labels.csv", "totalBytes": 500_000},
        {"name": "train.zip", "totalBytes": 750_000_000},
    ]
    return site


def examine():
    """Exit status, and what each line says by its name: (ok or no, the sentence)."""
    result = CliRunner().invoke(doctor.command, [], catch_exceptions=False)
    assert KEY not in result.output
    assert TOKEN not in result.output
    assert "Traceback" not in result.output
    lines = [line.split(maxsplit=2) for line in result.output.splitlines() if line[0] != " "]
    assert [line[0] for line in lines] == NAMES
    return result.exit_code, {name: (mark, said) for name, mark, said in lines}


def test_a_machine_that_is_ready(entered, repository):
    status, said = examine()
    assert [mark for mark, _ in said.values()] == ["ok"] * len(NAMES)
    assert status == 0
    assert said["params.yaml"][1] == f"{SLUG}, source kaggle, multiclass, log_loss"
    assert git(repository, "rev-parse", "HEAD")[:12] in said["git"][1]
    assert str(repository / ".dvc/cache") in said["dvc"][1]
    assert said["credentials"][1] == "tester, by KAGGLE_USERNAME and KAGGLE_KEY"
    assert said["competition"][1] == f"{SLUG}, 0.8 GB, entered"
    assert said["device"][1].startswith(f"cpu: {processor()}, {torch.get_num_threads()} threads, ")


def test_nothing_of_kaggle_is_needed_for_the_bundled_competition(site, repository):
    edit(repository / "params.yaml", **{"competition.source": "demo"})
    status, said = examine()
    assert status == 0
    for name in ("kaggle", "credentials", "account"):
        assert said[name] == ("ok", "not needed, competition.source is demo")
    assert said["competition"] == ("ok", "the bundled one")
    assert site.requests == []


def test_a_competition_on_disk_is_looked_for(repository):
    folder = repository.parent / "mine"
    edit(repository / "params.yaml", **{"competition.source": str(folder)})
    assert no(Checkup().competition).startswith(f"competition.source: {folder} is neither a folder")
    folder.mkdir()
    assert Checkup().competition() == f"{folder} is there"


def test_every_line_is_told_though_nothing_is_ready(site, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name)
    status, said = examine()
    assert status == 1
    assert {name for name, (mark, _) in said.items() if mark == "ok"} == {"kaggle"}
    assert "there is no such file" in said["params.yaml"][1]
    assert "git init" in said["git"][1]
    assert "dvc init" in said["dvc"][1]
    assert "make one at https://www.kaggle.com/settings" in said["credentials"][1]
    assert said["account"][1] == "told once params.yaml is sound."
    for name in ("device", "network"):
        assert said[name] == ("no", "the same as account")


def test_every_fault_of_the_params_is_told(repository):
    edit(repository / "params.yaml", **{"split.val_pct": 2.0, "tta.augmented": -1})
    with pytest.raises(UserError) as error:
        Checkup().sound()
    assert "split.val_pct" in error.value.message
    assert "tta.augmented" in error.value.message


def test_without_a_network_it_says_so_in_a_sentence(entered, repository, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    status, said = examine()
    assert status == 1
    assert said["kaggle"][0] == said["credentials"][0] == said["disk"][0] == "ok"
    assert said["account"][0] == said["competition"][0] == "no"
    assert "network" in said["account"][1]
    assert said["competition"][1] == "the same as account"


def no(look):
    """What a line says that is not well."""
    with pytest.raises(UserError) as error:
        look()
    return error.value.message


def test_credentials_that_kaggle_refuses(entered, repository):
    entered.faults["ListCompetitions"] = (401, None)
    assert "no token that it accepts; make one" in no(Checkup().account)


def test_a_competition_that_does_not_exist(entered, repository):
    entered.competitions = []
    entered.faults["ListDataFiles"] = (404, None)
    assert "check competition.slug" in no(Checkup().competition)


def test_rules_that_were_not_accepted(entered, repository):
    entered.competitions[1]["userHasEntered"] = False
    assert RULES.format(slug=SLUG) in no(Checkup().competition)


def test_a_competition_that_the_search_does_not_find_is_not_called_unknown(entered, repository):
    entered.competitions = []
    assert Checkup().competition().endswith(f"its rules are at {RULES.format(slug=SLUG)}")


def test_a_lock_of_dvcs_that_a_kill_cut_off(entered, repository):
    (repository / ".dvc/tmp").mkdir(exist_ok=True)
    (repository / ".dvc/tmp/rwlock").write_text('{"read": [')
    assert (
        no(Checkup().dvc) == "its lock file was cut off when it was killed; run `repodium clean`."
    )


def test_a_disk_that_the_competition_does_not_fit_on(entered, repository):
    entered.files[1]["totalBytes"] = 10**16
    assert "and 20000000 GB are needed; make room" in no(Checkup().disk)


def test_what_was_downloaded_need_not_fit_again(entered, repository):
    entered.files[1]["totalBytes"] = 10**16
    (repository / "data").mkdir()
    (repository / "data/competition.zip").write_bytes(b"")
    assert Checkup().disk().endswith("5 GB needed")


@pytest.mark.parametrize("said", ["Kaggle CLI 2.1.2", "Kaggle API 1.7.4.5"])
def test_a_command_that_is_too_old(repository, tmp_path, monkeypatch, said):
    (tmp_path / "kaggle").write_text(f"#!/bin/sh\necho {said}\n")
    (tmp_path / "kaggle").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert no(Checkup().cli) == f"{said} is too old; run `pip install 'kaggle>=2.2.4'`."


def test_commands_that_are_not_installed(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "`git` is not on PATH" in no(Checkup().git)
    assert "`dvc` is not on PATH" in no(Checkup().dvc)
    assert "`kaggle` is not on PATH" in no(Checkup().cli)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="it is a Mac")
def test_a_device_that_is_not_there(repository):
    edit(repository / "params.yaml", **{"runtime.device": "mps"})
    assert "this machine has no mps" in no(Checkup().device)


def test_an_architecture_that_is_not_there(repository):
    edit(repository / "params.yaml", **{"model.architecture": "test_efficientnett"})
    assert "did you mean test_efficientnet" in no(Checkup().network)


def test_a_size_of_a_late_stage_that_the_architecture_cannot_take(repository):
    changes = {"model.architecture": "levit_128s", "model.weights": "none"}
    changes |= {"resize.shorter_side": 340, "head.image_size": 224}
    changes |= {"augment.fits": [], "progressive.steps": [], "unfreeze.image_size": 299}
    edit(repository / "params.yaml", **changes)
    assert "levit_128s cannot take images of 299 pixels" in no(Checkup().network)
    edit(repository / "params.yaml", **{"unfreeze.fits": []})
    assert Checkup().network() == "levit_128s, for images of 224 pixels"


PASSED_OVER = "kaggle.json; the token of ~/.kaggle/access_token is not valid"
LEGACY = json.dumps({"username": USER, "key": KEY})


@pytest.mark.parametrize(
    ("environment", "files", "wanted"),
    [
        ({"KAGGLE_API_TOKEN": TOKEN}, {"access_token": "bad"}, "KAGGLE_API_TOKEN"),
        ({}, {"access_token": TOKEN, "kaggle.json": LEGACY}, "~/.kaggle/access_token"),
        ({}, {"access_token.txt": TOKEN}, "~/.kaggle/access_token.txt"),
        ({}, {"access_token": "bad", "kaggle.json": LEGACY}, PASSED_OVER),
        (
            {"KAGGLE_USERNAME": USER, "KAGGLE_KEY": KEY},
            {"kaggle.json": LEGACY},
            "KAGGLE_USERNAME and KAGGLE_KEY",
        ),
    ],
)
def test_the_credentials_that_win_are_named(
    entered, repository, monkeypatch, environment, files, wanted
):
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    folder = Path("~/.kaggle").expanduser()
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    assert Checkup().credentials() == f"tester, by {wanted}"
