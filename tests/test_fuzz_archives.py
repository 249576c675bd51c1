"""Archives with names of any making or damaged anywhere: the very files, or a refusal."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.base.errors import UserError
from stages.competition.archive import Archive
from stages.competition.lift import lift
from tests.strategies import damaged, scaled
from tests.test_lift import KINDS, sevened, tarred, zipped

FILES = {"train/1.jpg": bytes(range(256)) * 3, "train/é.png": b"two", "labels.csv": b"id,label\n"}
SOUND = {kind: make(FILES) for kind, make in KINDS.items()}  # a 7z is another one each second
PARTS = st.sampled_from(
    ["..", ".", "", "/", "\\", "C:", "a", "A", "é", "e\u0301", "字", " ", "con", "x" * 200, "~"]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NAMES = st.builds(
    lambda parts, between, end: between.join(parts) + end,
    st.lists(PARTS, min_size=1, max_size=4),
    st.sampled_from(["/", "/", "\\", "//"]),
    st.sampled_from(["", ".jpg", ".csv", "\0.jpg", "\r", "/"]),
)  # fmt: skip


def lifted(folder: Path, name: str, data: bytes) -> dict[str, bytes] | None:
    """What comes of an archive, none if it is refused; nothing else may be written anywhere."""
    (folder / "in").mkdir()
    source, target = folder / "in" / name, folder / "out" / "slug.zip"
    source.write_bytes(data)
    try:
        lift(source, target)
    except UserError as error:
        said = error.message
    else:
        assert written(folder) == {source, target}
        found = Archive(target)
        return {inside: found.read(inside) for inside in found.names}
    assert written(folder) == {source}
    assert said.startswith(name.partition(".")[0])
    assert said.replace("\n", "") == said
    return None


def written(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_dir()}


def zipped_as(names: list[str]) -> bytes:
    """A zip of members whose names stay as they are: zipfile itself would mend them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for i, name in enumerate(names):
            info = zipfile.ZipInfo("x")
            info.filename = name
            opened.writestr(info, str(i))
    return buffer.getvalue()


def tarred_as(names: list[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        for i, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = len(str(i))
            opened.addfile(info, io.BytesIO(str(i).encode()))
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("name", "pack"), [("c.zip", zipped_as), ("c.tar", tarred_as)])
@given(names=st.lists(NAMES, min_size=1, max_size=4))
def test_whatever_members_are_called_nothing_climbs_out(tmp_path_factory, name, pack, names):
    found = lifted(tmp_path_factory.mktemp("names"), name, pack(names))
    for inside, content in (found or {}).items():
        assert ".." not in inside.split("/")
        assert not inside.startswith("/")
        own = names[int(content)].partition("\0")[0].replace("\\", "/")  # a tar's name ends there
        assert inside.split("/") == [p for p in own.split("/") if p not in ("", ".")]


@pytest.mark.parametrize("name", ["a\rb.jpg", "\udcff.jpg", ".", ".//", "x/" * 40_000 + "1.jpg"])
def test_a_name_that_no_table_could_hold_is_refused(tmp_path, name):
    assert lifted(tmp_path, "c.tar", tarred({name: b"x"})) is None


def test_the_icon_of_a_folder_on_macos_is_left_out(tmp_path):
    assert lifted(tmp_path, "c.tar", tarred({"train/Icon\r": b"", "a.csv": b"x"})) == {
        "a.csv": b"x"
    }


@pytest.mark.parametrize("at", range(8))
def test_a_damaged_length_in_a_zips_list_does_not_hide_what_follows(tmp_path, at):
    """The length of a comment is at 32 of each entry of the list."""
    entry = SOUND["zip"].find(b"PK\1\2")
    damaged = bytearray(SOUND["zip"])
    damaged[entry + 32] ^= 1 << at
    damaged[entry + 33] ^= 1
    assert lifted(tmp_path, "c.zip", bytes(damaged)) is None


@pytest.mark.parametrize("kind", SOUND)
@scaled(1 / 2)
@given(data=st.data())
def test_a_damaged_archive_gives_the_very_files_or_is_refused(tmp_path_factory, kind, data):
    packed = data.draw(damaged(SOUND[kind], cuts=2))
    found = lifted(tmp_path_factory.mktemp("damage"), f"c.{kind}", packed)
    assert found in (None, FILES) or (kind == "tar" and found.keys() <= FILES.keys())


@pytest.mark.parametrize("kind", ["zip", "7z", "tar.gz"])
@scaled(1 / 2)
@given(data=st.data())
def test_a_damaged_archive_inside_is_refused_too(tmp_path_factory, kind, data):
    inner = data.draw(damaged(SOUND[kind], cuts=2))
    outer = zipped({f"c.{kind}": inner, "labels.csv": b"id,label\n"})
    found = lifted(tmp_path_factory.mktemp("inside"), "c.zip", outer)
    assert set((found or {}).values()) <= set(FILES.values())


def test_a_changed_byte_in_a_7z_inside_is_refused(tmp_path):
    """Noise is stored as it is: the change is found by the checksum, not by the decoder."""
    inner = bytearray(sevened({"a.jpg": np.random.default_rng(0).bytes(300)}))
    inner[100] ^= 1
    assert lifted(tmp_path, "c.zip", zipped({"c.7z": bytes(inner), "a.csv": b""})) is None


@pytest.mark.parametrize("kind", ["c.zip", "c.7z", "c.tar", "c.tar.gz", "c.tar.xz", "c.TGZ"])
@scaled(1 / 2)
@given(data=st.binary(max_size=200))
def test_a_file_of_anything_is_no_archive(tmp_path_factory, kind, data):
    assert not lifted(tmp_path_factory.mktemp("bytes"), kind, data)
