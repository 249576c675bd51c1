"""recipes/: the lesson's competitions, complete, valid, and the lesson's own numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.base import params
from stages.fit.schedules import epochs
from tests.project import ROOT

RECIPES = {file.stem: file for file in sorted((ROOT / "recipes").rglob("*.yaml"))}
PUBLISHED = {
    "dog-breed-identification": [".201", ".939", ".203", ".227", "not Repodium's"],
    "dogs-vs-cats-redux-kernels-edition": [".9956", ".9965", ".9917", "not Repodium's"],
    "planet": [".8896", ".9355", ".9363", "not Repodium's"],
}


def header(file: Path) -> str:
    return "\n".join(ln for ln in file.read_text().splitlines() if ln.startswith("#"))


def test_the_lessons_three_competitions_are_there() -> None:
    assert set(RECIPES) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_is_a_complete_and_valid_params_file(name: str) -> None:
    settings = params.read(RECIPES[name])
    assert settings.competition.source == "kaggle"
    assert settings.model.weights == "hub"


@pytest.mark.parametrize("name", PUBLISHED)
def test_its_header_has_the_published_scores_and_how_to_use_it(name: str) -> None:
    text = header(RECIPES[name])
    slug = params.read(RECIPES[name]).competition.slug
    assert f"https://www.kaggle.com/competitions/{slug}" in text
    assert f"cp recipes/{name}.yaml params.yaml" in text
    assert [score for score in PUBLISHED[name] if score not in text] == []


def test_dog_breeds_trains_as_the_lesson_did() -> None:
    s = params.read(RECIPES["dog-breed-identification"])
    assert [epochs(f) for f in s.head.fits] == [5]
    assert [(x.image_size, [epochs(f) for f in x.fits]) for x in s.progressive.steps] == [
        (299, [3, 7, 2])
    ]
    assert s.unfreeze.fits == []
    assert s.resize.shorter_side >= 1.1 * 299  # no zoomed crop enlarges


def test_dogs_and_cats_unfreezes_for_seven_epochs_at_tenfold_rates() -> None:
    s = params.read(RECIPES["dogs-vs-cats-redux-kernels-edition"])
    assert [epochs(f) for f in s.unfreeze.fits] == [7]
    assert s.unfreeze.fits[0].lr == [1e-4, 1e-3, 1e-2]
    assert int(s.split.val_pct * 25000) == 2000


def test_planet_trains_42_epochs_at_threefold_rates() -> None:
    s = params.read(RECIPES["planet"])
    steps = s.progressive.steps
    assert [(x.image_size, x.layers) for x in steps] == [
        (size, layers) for size in (64, 128, 256) for layers in ("head", "all")
    ]
    assert sum(epochs(f) for x in steps for f in x.fits) == 42
    early, late, head = steps[1].fits[0].lr
    assert head / late == pytest.approx(3, rel=1e-4)
    assert late / early == pytest.approx(3, rel=1e-4)
