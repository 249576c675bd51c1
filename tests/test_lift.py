"""Archives in archives become one; whatever is not safe is refused by name and leaves nothing."""

from __future__ import annotations

import errno
import gzip
import io
import shutil
import stat
import tarfile
import tracemalloc
import zipfile
import zlib
from collections import namedtuple
from pathlib import Path

import numpy as np
import py7zr
import pytest

from stages.base.errors import UserError
from stages.competition import lift as lifting
from stages.competition import members
from stages.competition.archive import Archive
from stages.competition.lift import lift

Files = dict[str, bytes]
FILES = {"train/1.jpg": b"one" * 40, "train/2.jpg": b"two", "labels.csv": b"id,label\n1,a\n"}


def zipped(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return buffer.getvalue()


def tarred(files: Files, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as opened:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def sevened(files: Files, password: str | None = None) -> bytes:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w", password=password) as opened:
        for name, data in files.items():
            opened.writestr(data, name)
    return buffer.getvalue()


KINDS = {
    "zip": zipped, "7z": sevened, "tar": tarred,
    "tar.gz": lambda files: tarred(files, "w:gz"), "tgz": lambda files: tarred(files, "w:gz"),
    "tar.bz2": lambda files: tarred(files, "w:bz2"), "tar.xz": lambda files: tarred(files, "w:xz"),
    "tar.7z": lambda files: sevened({"inner.tar": tarred(files)}),
}  # fmt: skip


def lifted(folder: Path, name: str, data: bytes) -> Files:
    """What is in the archive that comes of a source with this name and content."""
    source = folder / name
    source.write_bytes(data)
    lift(source, folder / "out/slug.zip")
    assert [p.name for p in (folder / "out").iterdir()] == ["slug.zip"]
    return contents(folder / "out/slug.zip")


def contents(path: Path) -> Files:
    with zipfile.ZipFile(path) as opened:
        assert opened.testzip() is None
        return {info.filename: opened.read(info) for info in opened.infolist()}


def refusal(folder: Path, name: str, data: bytes) -> str:
    """The sentence that refuses a source; nothing is left, and nothing was written elsewhere."""
    (folder / "in").mkdir()
    source = folder / "in" / name
    source.write_bytes(data)
    with pytest.raises(UserError) as error:
        lift(source, folder / "out/slug.zip")
    assert sorted(p for p in folder.rglob("*") if p.is_file()) == [source]
    assert list((folder / "out").iterdir()) == []
    assert "\n" not in error.value.message
    return error.value.message


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_archive_is_a_competition(tmp_path, kind):
    assert lifted(tmp_path, f"c.{kind}", KINDS[kind](FILES)) == FILES


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_inside_lies_open_where_it_lay(tmp_path, kind):
    inside = {"train/1.jpg": b"one", "train/2.jpg": b"two"}
    outer = zipped({f"train.{kind}": KINDS[kind](inside), "labels.csv": b"id\n"})
    assert lifted(tmp_path, "c.zip", outer) == inside | {"labels.csv": b"id\n"}


def test_a_plain_zip_stays_as_it_is_and_takes_no_more_room(tmp_path):
    data = zipped(FILES)
    lifted(tmp_path, "c.zip", data)
    assert (tmp_path / "out/slug.zip").read_bytes() == data
    assert (tmp_path / "out/slug.zip").samefile(tmp_path / "c.zip")


def test_dogs_and_cats_are_a_zip_of_zips(tmp_path):
    outer = zipped({
        "train.zip": zipped({"train/cat.0.jpg": b"c", "train/dog.0.jpg": b"d"}),
        "test.zip": zipped({"test/1.jpg": b"1"}), "sample_submission.csv": b"id,label\n1,0.5\n",
    })  # fmt: skip
    found = lifted(tmp_path, "c.zip", outer)
    assert sorted(found) == [
        "sample_submission.csv", "test/1.jpg", "train/cat.0.jpg", "train/dog.0.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["zip", "7z", "tar.gz"])
def test_an_archive_in_pieces_is_one(tmp_path, kind):
    """Diabetic retinopathy's train.zip.001 to .005, which only together are a zip."""
    inside = {"train/1_left.jpeg": b"left" * 9, "train/1_right.jpeg": b"right" * 9}
    whole = KINDS[kind](inside)
    pieces = {f"train.{kind}.{i:03d}": whole[9 * i - 9 : 9 * i] for i in range(1, len(whole))}
    outer = zipped(dict(reversed(pieces.items())) | {"a.csv.zip": zipped({"a.csv": b"id\n"})})
    assert lifted(tmp_path, "c.zip", outer) == inside | {"a.csv": b"id\n"}
    outer = zipped(pieces | {f"train.{kind}": whole})  # joined by hand already
    assert lifted(tmp_path, "c.zip", outer) == inside | pieces


def test_a_missing_piece_is_told(tmp_path):
    whole = zipped(FILES)
    outer = zipped({"train.zip.001": whole[:50], "train.zip.003": whole[100:], "a.csv": b"id\n"})
    with pytest.raises(UserError, match=r"^train\.zip is not a whole archive"):
        lifted(tmp_path, "c.zip", outer)


def test_planet_is_tars_in_7z_and_zipped_csvs(tmp_path):
    outer = zipped({
        "train-jpg.tar.7z": sevened(
            {"train-jpg.tar": tarred({f"train-jpg/train_{i}.jpg": b"0" for i in range(2)})}
        ),
        "train_v2.csv.zip": zipped({"train_v2.csv": b"image_name,tags\n",
                                    "__MACOSX/._train_v2.csv": b"x"}),
    })  # fmt: skip
    assert sorted(lifted(tmp_path, "c.zip", outer)) == [
        "train-jpg/train_0.jpg", "train-jpg/train_1.jpg", "train_v2.csv",
    ]  # fmt: skip


def test_files_without_a_folder_of_their_own_get_that_of_their_archives_name(tmp_path):
    outer = zipped({
        "images/train.zip": zipped({"1.jpg": b"a", "2.jpg": b"b"}),
        "images/test.7z": sevened({"1.jpg": b"c", "2.jpg": b"d"}),
    })  # fmt: skip
    assert lifted(tmp_path, "c.zip", outer) == {
        "images/train/1.jpg": b"a", "images/train/2.jpg": b"b",
        "images/test/1.jpg": b"c", "images/test/2.jpg": b"d",
    }  # fmt: skip


def test_an_archive_without_a_name_of_its_own_makes_no_folder(tmp_path):
    outer = zipped({".zip": zipped({"1.jpg": b"a", "2.jpg": b"b"}), "l.csv": b""})
    assert sorted(lifted(tmp_path, "c.zip", outer)) == ["1.jpg", "2.jpg", "l.csv"]


def test_a_7z_of_many_blocks_gives_each_file_its_own_bytes(tmp_path):
    """py7zr unpacks them in threads."""
    files = {f"train/{i}.jpg": b"%d" % i * 10 for i in range(480)}
    for start in range(0, 480, 60):
        with py7zr.SevenZipFile(tmp_path / "made.7z", "a" if start else "w") as opened:
            for i in range(start, start + 60):
                opened.writestr(files[f"train/{i}.jpg"], f"train/{i}.jpg")
    assert lifted(tmp_path, "c.7z", (tmp_path / "made.7z").read_bytes()) == files


def test_a_7z_may_write_its_names_from_here(tmp_path):
    assert lifted(tmp_path, "c.7z", sevened_as("./train/1.jpg")) == {"train/1.jpg": b"x"}


def test_names_are_written_the_shortest_way(tmp_path):
    found = lifted(tmp_path, "c.tar", tarred({".//train/./1.jpg": b"1", "./l.csv": b""}))
    assert found == {"train/1.jpg": b"1", "l.csv": b""}


def test_folders_that_windows_wrote_are_no_files(tmp_path):
    found = lifted(tmp_path, "c.zip", zipped({"train\\": b"", "train\\1.jpg": b"1"}))
    assert found == {"train/1.jpg": b"1"}


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_a_folder_with_a_link_to_a_folder_is_not_taken_without_it(tmp_path, target):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "source").mkdir()
    (tmp_path / "source/labels.csv").write_bytes(b"id\n")
    (tmp_path / "source/train").symlink_to(tmp_path / target)
    with pytest.raises(UserError, match=r"^source holds 'train', a link to a folder or to nothing"):
        lift(tmp_path / "source", tmp_path / "out/slug.zip")


NAMES = {"caf\u00e9/1.jpg": "utf-8", "cafe\u0301/1.jpg": "utf-8", "\u2552/1.jpg": "cp437"}


@pytest.mark.parametrize(("name", "encoding"), NAMES.items())
@pytest.mark.parametrize("wrap", [bytes, lambda data: zipped({"train.zip": data, "a.csv": b""})])
def test_names_that_are_not_flagged_as_utf_8_are_read_as_it_if_they_can_be(
    tmp_path, name, encoding, wrap
):
    """As `zip` and the Finder write them; APPNOTE's code page 437 where they cannot."""
    found = lifted(tmp_path, "c.zip", wrap(unflagged(name.encode(encoding))))
    assert found.keys() - {"a.csv"} == {name}


def test_names_are_listed_in_order(tmp_path):
    data = {"train/2.jpg": b"2", "train/10.jpg": b"10", "a.csv": b"", "train/1.jpg": b"1"}
    assert list(lifted(tmp_path, "c.tar", tarred(data))) == sorted(data)


def test_what_macos_adds_is_left_out(tmp_path):
    rubbish = {"__MACOSX/train/._1.jpg": b"x", "train/.DS_Store": b"x", "._labels.csv": b"x"}
    assert lifted(tmp_path, "c.tar", tarred(FILES | rubbish)) == FILES


def test_a_folder_with_archives_is_what_a_person_has_who_downloaded_by_hand(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.zip").write_bytes(zipped({"train/1.jpg": b"one", "train/2.jpg": b"two"}))
    (source / "labels.csv").write_bytes(b"id\n")
    lift(source, tmp_path / "out/slug.zip")
    assert sorted(contents(tmp_path / "out/slug.zip")) == [
        "labels.csv", "train/1.jpg", "train/2.jpg",
    ]  # fmt: skip
    assert sorted(p.name for p in source.iterdir()) == ["labels.csv", "train.zip"]


def test_the_download_and_its_files_on_disk_are_the_same_competition(tmp_path):
    outer = {"train.zip": zipped({"train/1.jpg": b"one", "train/2.jpg": b"two"}), "l.csv": b"id\n"}
    downloaded = lifted(tmp_path, "c.zip", zipped(outer))
    for name, data in outer.items():
        (tmp_path / "source").mkdir(exist_ok=True)
        (tmp_path / "source" / name).write_bytes(data)
    lift(tmp_path / "source", tmp_path / "other/slug.zip")
    assert contents(tmp_path / "other/slug.zip") == downloaded


def test_the_same_source_gives_the_same_bytes(tmp_path):
    data = zipped(
        {"train.7z": sevened(FILES), "test.tar.gz": KINDS["tar.gz"]({"test/1.jpg": b"1"})}
    )
    lifted(tmp_path, "c.zip", data)
    first = (tmp_path / "out/slug.zip").read_bytes()
    shutil.rmtree(tmp_path / "out")
    lifted(tmp_path, "c.zip", data)
    assert (tmp_path / "out/slug.zip").read_bytes() == first


def test_the_result_is_read_at_random(tmp_path):
    lifted(tmp_path, "c.zip", zipped({"all.tar": tarred(FILES), "more.csv": b""}))
    archive = Archive(tmp_path / "out/slug.zip")
    assert archive.read("all/train/2.jpg") == b"two"
    assert archive.images("all/train") == ["all/train/1.jpg", "all/train/2.jpg"]


def link(name: str, target: str, kind: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        opened.addfile(info)
    return buffer.getvalue()


def zip_link(name: str, target: str, kind: int = stat.S_IFLNK) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        info = zipfile.ZipInfo(name)
        info.external_attr = (kind | 0o777) << 16
        opened.writestr(info, target)
    return buffer.getvalue()


def encrypted(files: Files) -> bytes:
    """A zip whose members say that they are encrypted."""
    data = bytearray(zipped(files))
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(sign)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(sign, at + 4)
    return bytes(data)


def sevened_as(name: str) -> bytes:
    """A 7z with a file of a name that py7zr would not write, its checksums made to fit."""
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as opened:
        opened.set_encoded_header_mode(False)
        opened.writestr(b"x", "N" * len(name))
    given = ("N" * len(name)).encode("utf-16-le")
    data = bytearray(buffer.getvalue().replace(given, name.encode("utf-16-le")))
    start = 32 + int.from_bytes(data[12:20], "little")
    data[28:32] = zlib.crc32(data[start:]).to_bytes(4, "little")
    data[8:12] = zlib.crc32(data[12:32]).to_bytes(4, "little")
    return bytes(data)


def sevened_secretly(files: Files) -> bytes:
    """A 7z whose names are encrypted too."""
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w", password="secret", header_encryption=True) as opened:
        for name, data in files.items():
            opened.writestr(data, name)
    return buffer.getvalue()


def unflagged(name: bytes) -> bytes:
    """A zip of one file whose name is these bytes, without the flag (bit 11) that says UTF-8."""
    data = bytearray(zipped({"\u00e9" + "x" * (len(name) - 2): b"1"}))
    for sign, flags, at in ((b"PK\x03\x04", 7, 30), (b"PK\x01\x02", 9, 46)):
        start = data.find(sign)
        data[start + flags] &= ~8
        data[start + at : start + at + len(name)] = name
    return bytes(data)


def misstated(size: int) -> bytes:
    """A zip of 1,010 bytes whose list says `size`, with the checksum of so many."""
    content = b"A" * 10 + b"B" * 1000
    data = bytearray(zipped({"a.jpg": content}))
    for sign, at in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        at += data.find(sign)
        data[at : at + 4] = zlib.crc32(content[:size]).to_bytes(4, "little")
        data[at + 8 : at + 12] = size.to_bytes(4, "little")
    return bytes(data)


def changed(data: bytes, at: int) -> bytes:
    """The same but for one bit, after a gzip's header of 10 bytes."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def bomb(size: int) -> bytes:
    """A zip of one member of zeros."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened,
        opened.open("train/1.jpg", "w") as file,
    ):
        for _ in range(size // 2**24):
            file.write(bytes(2**24))
    return buffer.getvalue()


CLIMBING = ["../evil.jpg", "/evil.jpg", "a/../../evil.jpg", "C:/evil.jpg", "..\\evil.jpg"]
HOSTILE = {
    **{f"zip with {n}": ("c.zip", zipped({n: b"x"}), n.replace("\\", "/")) for n in CLIMBING},
    **{f"tar with {n}": ("c.tar", tarred({n: b"x"}), n.replace("\\", "/")) for n in CLIMBING},
    **{f"7z with {n}": ("c.7z", sevened_as(n), "which would climb out") for n in CLIMBING},
    "a zip in a zip with ../evil.jpg": (
        "c.zip", zipped({"train.zip": zipped({"a.jpg": b"", "../evil.jpg": b"x"})}),
        "train.zip holds '../evil.jpg', which would climb out"),
    "a link in a tar": ("c.tar", link("a.jpg", "/etc/passwd", tarfile.SYMTYPE), "'a.jpg', which"),
    "a hard link in a tar": ("c.tar", link("a.jpg", "b.jpg", tarfile.LNKTYPE), "'a.jpg', which"),
    "a device in a tar": ("c.tar", link("a.jpg", "", tarfile.CHRTYPE), "link or device"),
    "a link in a zip": ("c.zip", zip_link("train", "/etc"), "'train', which is no file but a link"),
    "a device in a zip": ("c.zip", zip_link("a.jpg", "", stat.S_IFCHR), "'a.jpg', which"),
    "a pipe in a zip": ("c.zip", zip_link("a.jpg", "", stat.S_IFIFO), "'a.jpg', which"),
    "a 7z with encrypted names": (
        "c.7z", sevened_secretly(FILES), "encrypted; unpack it yourself, and set"),
    "an encrypted zip": ("c.zip", encrypted(FILES), "holds 'train/1.jpg' encrypted; unpack it"),
    "an encrypted zip inside": (
        "c.zip", zipped({"train.zip": encrypted(FILES)}), "train.zip holds 'train/1.jpg' encr"),
    "an encrypted 7z": ("c.7z", sevened(FILES, "secret"), "holds 'train/1.jpg' encrypted; unpack"),
    "two files of a name": (
        "c.zip", zipped({"a.zip": zipped({"x/1.jpg": b"", "x/2.jpg": b""}), "x/1.jpg": b"other"}),
        "two files named 'x/1.jpg'; keep one"),
    "a name of two lines": (
        "c.zip", zipped({"a.zip": zipped({"x\ny": b""}), "x\ny": b""}), r"two files named 'x\ny'"),
    "a page": ("c.zip", b"<html>Sign in</html>", "not a whole archive"),
    "an empty file": ("c.7z", b"", "not a whole archive"),
    "a zip cut short": ("c.zip", zipped(FILES)[:-30], "c.zip is not a whole archive"),
    "a tar cut short": ("c.tar.gz", KINDS["tar.gz"](FILES)[:-30], "not a whole archive"),
    "a damaged header in a tar": (
        "c.tar", changed(tarred(FILES), 1024 + 20), "c.tar is not a whole archive (a header is"),
    "a damaged header in a compressed tar": (
        "c.tar.gz", gzip.compress(changed(tarred(FILES), 1024 + 20)), "(a header is damaged)"),
    "a tar of bz2 cut short": ("c.tar.bz2", KINDS["tar.bz2"](FILES)[:-30], "not a whole archive"),
    "a tar of xz cut short": ("c.tar.xz", KINDS["tar.xz"](FILES)[:-30], "not a whole archive"),
    "a 7z cut short": ("c.7z", sevened(FILES)[:-10], "not a whole archive"),
    "a zip inside cut short": (
        "c.zip", zipped({"train.zip": zipped(FILES)[:-30]}), "train.zip is not a whole archive"),
    "a changed byte inside": (
        "c.zip", zipped({"l.zip": zipped({"a.csv": b"", "b.jpg": bytes(range(256))}).replace(
            bytes(range(8)), b"\x07" * 8)}), "l.zip holds 'b.jpg', which cannot be read (Bad CRC"),
    "a changed byte": (
        "c.zip", zipped({"a.csv": b"", "b.jpg": bytes(range(256))}).replace(
            bytes(range(8)), b"\x07" * 8), "c.zip holds 'b.jpg', which cannot be read (Bad CRC"),
    "a changed byte in a compressed tar": (
        "c.tar.gz", changed(KINDS["tar.gz"]({"a.jpg": bytes(range(256))}), 60),
        "c.tar.gz is not a whole archive (CRC"),
    "more bytes than stated": ("c.zip", misstated(10), "c.zip holds 'a.jpg', which cannot be read"),
    "fewer bytes than stated": (
        "c.zip", misstated(1020), "'a.jpg', which cannot be read (it has 1010 bytes instead of 10"),
    "no files in a zip": ("c.zip", zipped({}), "c.zip holds no files"),
    "no files in a tar": ("c.tar", tarred({}), "c.tar holds no files"),
    "no files but macOS's": ("c.zip", zipped({"__MACOSX/._a.jpg": b"x"}), "c.zip holds no files"),
    "no files in an archive inside": (
        "c.zip", zipped({"train.zip": zipped({})}), "c.zip holds no files"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_safe_or_not_whole_is_refused_by_name(tmp_path, name):
    file, data, words = HOSTILE[name]
    assert words in refusal(tmp_path, file, data)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_bomb_is_refused_before_it_goes_off(tmp_path, monkeypatch, wrapped):
    """A gibibyte for real would take long: the limit is lowered to 64 MiB."""
    monkeypatch.setattr(members, "GIB", 2**26)
    data = bomb(2**27)
    said = refusal(tmp_path, "c.zip", zipped({"in.zip": data}) if wrapped else data)
    assert "'train/1.jpg', at which it unpacks to 2 GiB out of" in said


@pytest.mark.parametrize("inside", [False, True])
def test_a_bomb_of_small_files_is_counted_together(tmp_path, monkeypatch, inside):
    """64 files of half the limit; inside, each archive by itself stays below it."""
    monkeypatch.setattr(members, "GIB", 2**20)
    parts = {f"{i}/zeros.csv": bytes(2**19) for i in range(64)}
    if inside:
        parts = {f"{i}.zip": zipped({name: data}) for i, (name, data) in enumerate(parts.items())}
    assert "zeros.csv', at which it unpacks to" in refusal(tmp_path, "c.zip", zipped(parts))


def test_a_tar_that_states_a_file_of_holes_is_a_bomb(tmp_path):
    """GNU tar's sparse file: 2 GiB of zeros in 1.5 KiB."""
    info = tarfile.TarInfo("train/1.jpg")
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"%011o\0" % (2 * 2**30)  # the real size, with one hole up to its end
    header[386:410] = b"%011o\0" % (2 * 2**30) + b"%011o\0" % 0
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    said = refusal(tmp_path, "c.tar", bytes(header) + bytes(1024))
    assert "'train/1.jpg', at which it unpacks to 2 GiB out of" in said


def test_pictures_that_hardly_shrink_are_no_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "GIB", 2**20)
    data = {"train/1.jpg": np.random.default_rng(0).bytes(2**21)}
    assert lifted(tmp_path, "c.tar.gz", KINDS["tar.gz"](data)) == data


@pytest.fixture
def full(monkeypatch):
    """A disk with 50 bytes of room."""
    usage = namedtuple("usage", "total used free")(100, 50, 50)
    monkeypatch.setattr(lifting.shutil, "disk_usage", lambda _: usage)


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(tmp_path, full):
    assert "c.zip needs 0.0 GiB of disk and 0.0 are free; make room" in refusal(
        tmp_path, "c.zip", zipped({"train.zip": zipped(FILES)})
    )


def test_a_plain_zip_needs_no_room_at_all(tmp_path, full):
    assert lifted(tmp_path, "c.zip", zipped(FILES)) == FILES


def test_a_disk_that_fills_up_meanwhile_is_a_sentence(tmp_path, monkeypatch):
    def write(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lifting.Flow, "pour", write)
    assert "c.zip cannot be brought to" in refusal(tmp_path, "c.zip", zipped(FILES))


def test_archives_too_deep_inside_one_another_are_refused(tmp_path):
    data = zipped({"train/1.jpg": b"1"})
    for _ in range(6):
        data = zipped({"in.zip": data})
    assert "holds archives more than 5 deep; unpack it yourself" in refusal(tmp_path, "c.zip", data)


def test_a_failed_lift_leaves_an_earlier_result_alone(tmp_path):
    lifted(tmp_path, "c.zip", zipped(FILES))
    (tmp_path / "bad.zip").write_bytes(zipped({"../evil.jpg": b""}))
    with pytest.raises(UserError):
        lift(tmp_path / "bad.zip", tmp_path / "out/slug.zip")
    assert contents(tmp_path / "out/slug.zip") == FILES


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_memory_does_not_grow_with_the_files(tmp_path, kind):
    """A file of 96 MiB inside an archive inside is lifted in a few MiB of Python's memory."""
    (tmp_path / "c.zip").write_bytes(
        zipped({f"train.{kind}": KINDS[kind]({"train/1.jpg": bytes(96 * 2**20)}), "l.csv": b""})
    )
    tracemalloc.start()
    lift(tmp_path / "c.zip", tmp_path / "out/slug.zip")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 * 2**20
    assert Archive(tmp_path / "out/slug.zip").names == ["l.csv", "train/1.jpg"]
