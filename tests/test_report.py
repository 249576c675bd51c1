"""The report: one file that opens offline, reads well, and says what the run left."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from ruamel.yaml import YAML

from stages.competition import ledger
from stages.page import tables, ticks
from tests import browser, finished_run
from tests.project import ROOT, edit, run_stage

PAGE = Path("reports/index.html")
ADDRESSES = ("src", "href", "srcset", "action", "poster", "data", "background")
EMPTY = {"meta", "link", "img", "br", "hr", "input"}


class Read(HTMLParser):
    """A page, read: its elements in order, each with its attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.said: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.said.append((self.open[-1], data))

    def text(self, *tags: str) -> str:
        """Its words, those of some elements or all, with single spaces."""
        said = [data for tag, data in self.said if tag in tags or not tags]
        return " ".join(" ".join(said).split())

    def all(self, *tags: str) -> list[dict[str, str]]:
        return [attrs for tag, attrs in self.elements if tag in tags]


def report(folder: Path) -> str:
    result = run_stage(folder, "report")
    assert result.exit_code == 0, result.output
    return (folder / PAGE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two folds whose classes have names that a page must escape, reported."""
    folder = finished_run.write(tmp_path_factory.mktemp("run") / "r")
    report(folder)
    return folder


@pytest.fixture(scope="module")
def page(made: Path) -> Read:
    read = Read((made / PAGE).read_text(encoding="utf-8"))
    assert read.open == []
    return read


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "r")


def test_nothing_in_it_leads_out_of_the_file_or_runs(page: Read, made: Path) -> None:
    addresses = [a[name] for _, a in page.elements for name in ADDRESSES if a.get(name)]
    assert addresses
    assert [a for a in addresses if not a.startswith(("data:", "#"))] == []
    assert not page.all("script", "iframe", "object", "embed", "form", "base")
    assert not [name for _, a in page.elements for name in a if name.startswith("on")]
    html = (made / PAGE).read_text(encoding="utf-8")
    assert re.findall(r"https?://|@import|url\(", html) == []


def test_every_picture_has_words_and_can_be_decoded(page: Read) -> None:
    images = page.all("img")
    assert len(images) == 4
    for image in images:
        assert len(image["alt"]) > 20
        data = base64.b64decode(image["src"].partition("base64,")[2])
        with Image.open(io.BytesIO(data)) as found:
            found.load()
            assert found.size == (int(image["width"]), int(image["height"]))
    charts = page.all("svg")
    assert len(charts) == 8
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)
    assert "suggestion 0.01" in charts[2]["aria-label"]
    assert "no clear slope" in charts[3]["aria-label"]


def test_it_shows_what_was_submitted_to_this_competition(copied: Path) -> None:
    slug = YAML(typ="safe").load(copied / "params.yaml")["competition"]["slug"]
    rows = [dict.fromkeys(ledger.COLUMNS, "") | {"ref": f"{n:04d}"} for n in range(1005)]
    others = [rows.pop(), rows.pop(500)]
    for row in rows:
        row |= {"competition": slug, "cv": "0.20123456", "public": "0.25"}
    assert "Nothing was submitted yet" in Read((copied / PAGE).read_text()).text()
    ledger.write([*rows, *others], copied / "submissions/ledger.csv")
    text = Read(report(copied)).text("th", "td")
    assert [n for n in range(1005) if f" {n:04d} " in text] == [*range(984, 1004)]
    assert "0.2012 0.25" in text
    assert "Nothing was submitted yet" not in text


def test_a_long_table_waits_until_it_is_asked_for(tmp_path: Path, made: Path) -> None:
    many = finished_run.write(tmp_path / "r", [f"class {n}" for n in range(21)])
    asked = "Each class: 21, the worst first"
    assert asked in Read(report(many)).text("summary")
    assert "Each class:" not in Read((made / PAGE).read_text(encoding="utf-8")).text("summary")


def test_a_screen_reader_and_a_keyboard_find_their_way(page: Read) -> None:
    ids = Counter(a["id"] for _, a in page.elements if "id" in a)
    assert set(ids.values()) == {1}
    links = [a["href"] for a in page.all("a")]
    assert links[0] == "#main"  # past the navigation
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert all(a["aria-labelledby"] in ids for _, a in page.elements if "aria-labelledby" in a)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert max(np.diff(levels)) <= 1
    assert page.all("html")[0]["lang"] == "en"
    assert "width=device-width" in next(m for m in page.all("meta") if m.get("name"))["content"]
    assert len(page.all("table")) == len(page.all("caption")) >= 6
    assert {th["scope"] for th in page.all("th")} == {"col", "row"}
    wide = [a for a in page.all("div") if a.get("class") == "wide"]
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in wide)


def test_it_says_what_the_run_reached_and_what_made_it(page: Read, made: Path) -> None:
    text = page.text()
    for said in (
        "log loss 0.2 in cross-validation, over 60 rows",
        "Over all images like these it lies from 0.15 to 0.27, 95 times in 100.",
        "The folds lie from 0.18 to 0.22.",
        "unfreeze fits: validation loss",
        "resize.shorter_side: 340 is enough.",
        "Fold 1, after each step",
        "temperature 1.25",
        "submissions/submission.csv",
        "ab" * 32,
        "device cpu: AMD EPYC (family 25, model 17)",
    ):
        assert said in text
    for name in finished_run.HOSTILE:
        assert name in page.text("th")


def test_its_params_are_those_of_the_run_without_the_machine(page: Read, made: Path) -> None:
    yaml = YAML(typ="safe")
    shown = yaml.load("".join(data for tag, data in page.said if tag == "pre"))
    wanted = yaml.load(made / "params.yaml")
    del wanted["runtime"]
    assert shown == wanted


def test_the_same_run_gives_the_same_bytes_on_another_machine_too(copied: Path) -> None:
    before = (copied / PAGE).read_bytes()
    edit(copied / "params.yaml", **{"runtime.workers": 3, "runtime.device": "auto"})
    report(copied)
    assert (copied / PAGE).read_bytes() == before


def test_a_fold_that_is_left_out_leaves_the_page_though_its_files_stay(copied: Path) -> None:
    edit(copied / "params.yaml", folds=[1])
    html = report(copied)
    assert "Fold 1" in html
    assert "Fold 0" not in html


def test_a_run_that_validates_nothing_has_no_score_and_says_so(tmp_path: Path) -> None:
    folder = finished_run.write(tmp_path / "r", folds=("full",))
    finished_run.write_json(
        folder / "metrics/submission.json",
        {"validation_rows": 0, "test_rows": 9, "sha256": "ab"},
    )
    (folder / "reports/most_confused.csv").write_text("pair,truth,said,count\n")
    text = Read(report(folder)).text()
    assert "No row is validated" in text
    assert "Fold full" in text


def test_steps_that_trained_nothing_and_finders_that_did_not_run(copied: Path) -> None:
    for stage in finished_run.STAGES:
        path = copied / f"data/history/0/{stage}.csv"
        path.write_text(path.read_text().splitlines()[0] + "\n")
        used = finished_run.USED
        finished_run.write_json(copied / f"metrics/0/{stage}.json", {"epochs": 0, **used})
    for stage in ("head", "unfreeze"):
        (copied / f"data/rates/0/{stage}.csv").write_text("lr,train_loss\n")
    assert len(Read(report(copied)).all("svg")) == 4  # those of the other fold


def test_a_loss_that_exploded_is_drawn_as_far_as_it_was_a_number(copied: Path) -> None:
    path = copied / "data/history/0/unfreeze.csv"
    lines = path.read_text().splitlines()
    lines[-1] = "unfreeze,6,56,head,0.01,inf,,"
    path.write_text("\n".join(lines) + "\n")
    for attrs in Read(report(copied)).all("path", "circle"):
        assert not re.search("nan|inf", " ".join(attrs.values()))


def test_a_picture_is_shown_where_there_is_one(copied: Path) -> None:
    assert "Samples: " not in (copied / PAGE).read_text(encoding="utf-8")
    finished_run.photographs(copied / "reports/contact.png", 200, np.random.default_rng(0))
    (copied / "reports/sizes.png").unlink()
    shown = [image["alt"].partition(":")[0] for image in Read(report(copied)).all("img")]
    assert shown == ["Samples", "Classes", "Copies", "Confusion"]


def test_where_there_are_no_copies_no_picture_of_them_is_shown(copied: Path) -> None:
    found = {"exact": 0, "near": 0, "across_folds": 0, "rows_moved": 0}
    finished_run.write_json(copied / "metrics/duplicates.json", found)
    html = report(copied)
    assert "No image is a copy of another." in html
    assert len(Read(html).all("img")) == 3


def test_120_classes_and_10_000_images_stay_small_and_quick(tmp_path: Path) -> None:
    names = [f"breed number {n}, of some name" for n in range(120)]
    folder = finished_run.write(tmp_path / "r", names, 10_000, folds=(0, 1, 2, 3, 4))
    rng = np.random.default_rng(0)
    finished_run.photographs(folder / "reports/contact.png", 1400, rng)
    for name in ("images", "calibration"):
        shutil.copy(folder / "reports/contact.png", folder / f"reports/{name}.png")
    start = time.process_time()
    report(folder)
    assert time.process_time() - start < 10
    assert (folder / PAGE).stat().st_size < 5e6
    assert json.loads((folder / "metrics/report.json").read_text()) == {"pictures": 7, "charts": 20}


def test_it_starts_without_what_is_slow_to_import() -> None:
    code = "import sys, stages.report; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert not {"torch", "pandas", "matplotlib", "sklearn"} & set(done.stdout.split())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_whole(made: Path, tab: browser.Tab, width: int, scheme: str) -> None:
    tab.open(made / PAGE, width, scheme)
    said = tab.of("Log.entryAdded") + tab.of("Runtime.exceptionThrown")
    assert said + tab.of("Runtime.consoleAPICalled") == []
    asked = [event["request"]["url"] for event in tab.of("Network.requestWillBeSent")]
    out = [url for url in asked if not url.startswith("data:")]
    assert out == [(made / PAGE).resolve().as_uri()]
    assert tab.ask("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert tab.ask("document.documentElement.scrollWidth") <= width  # innerWidth would grow with it
    night = tab.ask("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert night == (scheme == "dark")


def test_the_keyboard_alone_gets_to_every_part(made: Path, tab: browser.Tab) -> None:
    tab.open(made / PAGE, 1280)
    where = "document.activeElement.getAttribute('href') || document.activeElement.tagName"
    reached = []
    while "SUMMARY" not in reached and len(reached) < 40:
        tab.press("Tab")
        reached.append(tab.ask(where))
    assert reached[0] == "#main"
    assert {"#score", "#params", "DIV", "SUMMARY"} <= set(reached)
    tab.press("Enter")
    assert not tab.ask("document.querySelector('details').open")


def test_it_prints(made: Path, tab: browser.Tab) -> None:
    tab.open(made / PAGE, 1280, "dark")
    assert tab.printed().startswith(b"%PDF")
    tab.call("Emulation.setEmulatedMedia", media="print")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert tab.ask(paper) == "rgb(255, 255, 255)"


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=9), st.booleans())
def test_an_axis_holds_its_values_and_a_handful_of_round_ticks(values: list, log: bool) -> None:
    axis = ticks.axis("loss", values, log=log)
    assert all(-1e-9 <= axis.share(value) <= 1 + 1e-9 for value in values)
    found = axis.ticks()
    assert len(found) <= 12
    assert found == sorted(found)
    assert all(-1e-3 <= axis.share(tick) <= 1.001 for tick in found)


def test_numbers_are_written_as_one_reads_them() -> None:
    assert tables.cell(1234567) == "1,234,567"
    assert tables.cell(0.0541584) == "0.05416"
    assert tables.cell(None) == ""
    assert tables.shortened("0.000383522767") == "0.0003835"
    assert tables.shortened("0007") == "0007"
