"""Copies among images: found, told with what contradicts, and kept in one fold."""

from __future__ import annotations

import io
import json
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance, ImageOps

from stages.competition.archive import Archive
from stages.copies import exact, hashes, near, report, together
from stages.copies.directions import Directions
from tests.project import CLASSES, edit, run_all, run_stage, write_project

LIMITS = SimpleNamespace(cosine=0.8, distance=20)
BEFORE = ["fetch", "split", "resize", "screen", "backbone", "precompute"]


def scene(seed, width=80, height=64):
    """A picture with shapes of its own, uint8 (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)


def saved(pixels, form="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


# Exact copies


@pytest.fixture
def archive(tmp_path):
    files = {"train/1.png": b"one", "train/2.png": b"two", "train/3.png": b"one",
             "test/4.png": b"one", "test/5.png": b"else"}  # fmt: skip
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return Archive(tmp_path / "a.zip")


def test_the_same_bytes_are_found(archive):
    assert exact.sets(archive, archive.names) == [["test/4.png", "train/1.png", "train/3.png"]]


def test_a_checksum_alone_makes_no_copy(archive, monkeypatch):
    monkeypatch.setattr(Archive, "checksum", lambda self, name: 0)
    assert exact.sets(archive, archive.names) == [["test/4.png", "train/1.png", "train/3.png"]]


def test_files_of_a_size_of_their_own_are_not_read(archive, monkeypatch):
    read = []
    before = Archive.read
    monkeypatch.setattr(Archive, "read", lambda self, n: read.append(n) or before(self, n))
    exact.sets(archive, archive.names)
    assert "test/5.png" not in read
    assert "train/2.png" not in read


# Hashes


def bits(a, b):
    looks = hashes.Looks(hashes.hashed([a, b]), hashes.coloured([a, b]))
    return int(hashes.distances(looks, np.array([0]), np.array([1]))[0])


CHANGES = {
    "none": (lambda image: image, 0),
    "jpeg": (lambda image: Image.open(io.BytesIO(saved(np.asarray(image), "JPEG", quality=50))), 6),
    "mirrored": (ImageOps.mirror, 2),
    "half": (lambda image: image.resize((40, 32)), 6),
    "brighter": (lambda image: ImageEnhance.Brightness(image).enhance(1.2), 10),
    "cropped": (lambda image: image.crop((4, 3, 76, 61)), 10),
    "cut at an edge": (lambda image: image.crop((8, 0, 80, 58)), 10),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_keeps_most_bits_and_another_does_not(change):
    make, most = CHANGES[change]
    for seed in range(10):
        picture = scene(seed)
        changed = np.asarray(make(Image.fromarray(picture)).convert("RGB"))
        assert bits(picture, changed) <= most
        assert bits(picture, changed) == bits(changed, picture)
        assert bits(changed, scene(seed + 100)) > most


def test_pictures_of_one_colour_have_one_hash():
    blank = [np.full((30, 40, 3), value, np.uint8) for value in (1, 77, 255)]
    assert bits(blank[0], blank[1]) == bits(blank[1], blank[2]) == 0


def test_hashes_of_a_pack_are_those_of_its_images_in_the_order_of_the_rows(make_pack, monkeypatch):
    monkeypatch.setattr(hashes, "CHUNK", 2)
    pack = make_pack({f"{i}.png": scene(i) for i in range(5)})
    found = hashes.of_pack(pack, np.array([4, 0, 3]))
    images = [pack.image(row) for row in (4, 0, 3)]
    assert found.bits.tolist() == [hashes.hashed([image])[0].tolist() for image in images]
    assert found.colours.tolist() == [hashes.coloured([image])[0].tolist() for image in images]
    empty = np.array([], dtype=int)
    none = hashes.of_pack(pack, empty)
    assert len(none.bits) == len(none.colours) == len(hashes.distances(none, empty, empty)) == 0


def test_large_images_keep_their_bits_though_the_decoder_shrinks_them(make_pack):
    pack = make_pack({f"{i}.png": scene(i, 400, 320) for i in range(8)})
    found = hashes.of_pack(pack, np.arange(8))
    whole = [pack.image(row) for row in range(8)]
    assert whole[0].shape == (320, 400, 3)
    assert pack.image(0, hashes.ENOUGH).shape == (80, 100, 3)
    assert np.bitwise_count(found.bits ^ hashes.hashed(whole)).mean() < 1
    assert found.colours == pytest.approx(hashes.coloured(whole), abs=1)


def test_pictures_alike_in_grey_alone_are_no_copies():
    red, blue = (np.zeros((40, 40, 3), np.uint8) for _ in range(2))
    red[10:30, 10:30], blue[10:30, 10:30] = (200, 40, 40), (40, 61, 255)
    assert bits(red, blue) == hashes.FAR
    assert bits(red, (red * 0.85).astype(np.uint8)) < 4


# Both together


def described_by(rng, n, f=16):
    """Activations (n, f) and hashes (n, V) of images that are nothing alike."""
    looks = hashes.Looks(rng.integers(0, 2**63, (n, 2), dtype=np.uint64), np.zeros((n, 2)))
    return rng.normal(0, 1, (n, f)).astype(np.float32), looks


def plain(found):
    return {(int(a), int(b)) for a, b in zip(found["a"], found["b"], strict=True)}


def test_a_copy_must_be_near_in_both():
    features, looks = described_by(np.random.default_rng(0), 40)
    features[[7, 8, 9]] = features[[1, 2, 3]] * 1.5
    looks.bits[[7, 8]] = looks.bits[[1, 4]]  # 8 looks like 4 and its activations are 2's
    assert plain(near.pairs(features, np.arange(40), looks, LIMITS)) == {(1, 7)}


def test_pairs_do_not_depend_on_the_tiles(monkeypatch):
    rng = np.random.default_rng(1)
    features, looks = described_by(rng, 50)
    copies = rng.permutation(50)
    features[copies[:20]] = features[copies[20:40]]
    looks.bits[copies[:20]] = looks.bits[copies[20:40]]
    rows = np.arange(50)
    whole = near.pairs(features, rows, looks, LIMITS)
    expected = zip(copies[:20], copies[20:40], strict=True)
    assert plain(whole) == {tuple(sorted(map(int, pair))) for pair in expected}
    for tile, strip in ((1, 1), (7, 3), (25, 20), (50, 9)):
        monkeypatch.setattr(near, "TILE", tile)
        monkeypatch.setattr(near, "STRIP", strip)
        assert plain(near.pairs(features, rows, looks, LIMITS)) == plain(whole)


def test_rows_of_a_larger_file_are_those_asked_for():
    features, looks = described_by(np.random.default_rng(2), 30)
    features[20] = features[3]
    rows = np.array([20, *range(3, 15)])
    looks.bits[1] = looks.bits[0]
    assert plain(near.pairs(features, rows, looks, LIMITS)) == {(0, 1)}


def test_a_crowd_of_copies_is_one_set_though_not_every_pair_is_listed(monkeypatch):
    monkeypatch.setattr(near, "MOST", 3)
    monkeypatch.setattr(near, "TILE", 16)
    features, looks = described_by(np.random.default_rng(3), 60)
    features[:40], looks.bits[:40] = features[0], looks.bits[0]
    found = near.pairs(features, np.arange(60), looks, LIMITS)
    assert len(found) < 2 * 3 * 40 < 40 * 39 / 2
    assert together.sets(60, plain(found)).tolist() == [0] * 40 + list(range(40, 60))


@pytest.mark.parametrize("tile", [8, 64])
def test_every_copy_is_linked_with_its_original_though_not_with_other_copies(monkeypatch, tile):
    """Forty copies, each with bits of its own turned: near the original, far from each other."""
    monkeypatch.setattr(near, "MOST", 3)
    monkeypatch.setattr(near, "STRIP", 8)
    monkeypatch.setattr(near, "TILE", tile)
    features, looks = described_by(np.random.default_rng(5), 60)
    features[:41] = features[0]
    looks.bits[1:41] = looks.bits[0] ^ (np.uint64(1) << np.arange(40, dtype=np.uint64))[:, None]
    limits = SimpleNamespace(cosine=0.8, distance=1)
    found = near.pairs(features, np.arange(60), looks, limits)
    assert plain(found) == {(0, copy) for copy in range(1, 41)}


def test_without_a_bit_to_differ_images_must_still_point_the_same_way():
    features, looks = of_rank(600), hashes.Looks(np.zeros((900, 1), np.uint64), np.zeros((900, 2)))
    features[899] = features[898]
    limits = SimpleNamespace(cosine=0.3, distance=0)
    assert plain(near.pairs(features, np.arange(900), looks, limits)) == {(898, 899)}


def test_many_images_of_like_activations_hide_no_copy(monkeypatch):
    monkeypatch.setattr(near, "MOST", 3)
    features, looks = described_by(np.random.default_rng(4), 60)
    features[:40] = features[0]
    looks.bits[39] = looks.bits[0]
    limits = SimpleNamespace(cosine=0.8, distance=4)
    assert plain(near.pairs(features, np.arange(60), looks, limits)) == {(0, 39)}


def of_rank(rank, count=900, f=700):
    """Activations (count, f) that mostly lie in a space of so many dimensions."""
    rng = np.random.default_rng(rank)
    made = rng.normal(0, 1, (count, rank)) @ rng.normal(0, 1, (rank, f))
    return (5 + made + rng.normal(0, rank**0.5 / 3, (count, f))).astype(np.float32)


@pytest.mark.parametrize("rank", [3, 50, 600])
def test_no_cosine_is_above_the_product_of_the_sketches(rank):
    features = of_rank(rank)
    features[7] = features.mean(axis=0)  # which has no direction
    rows = np.random.default_rng(0).permutation(900)[:800]
    found = Directions(features, rows)
    apart = features[rows].astype(np.float64) - features[rows].mean(axis=0, dtype=np.float64)
    lengths = np.maximum(np.linalg.norm(apart, axis=1), 1e-9)
    cosines = apart @ apart.T / np.outer(lengths, lengths)
    products = found.sketches @ found.sketches.T
    assert found.sketches.shape[1] < 700
    assert (cosines <= products + near.ROUNDING).all()
    a, b = np.random.default_rng(1).integers(0, 800, (2, 300))
    assert found.cosines(a, b) == pytest.approx(cosines[a, b], abs=1e-4)


@pytest.mark.parametrize("rank", [3, 50, 600])
def test_no_pair_is_lost_by_what_rules_most_of_them_out(rank):
    features, rng = of_rank(rank), np.random.default_rng(9)
    looks = hashes.Looks(rng.integers(0, 2**63, (900, 1), dtype=np.uint64), np.zeros((900, 2)))
    features[800:] = features[:100] * 0.7 + features[100:200] * 0.3
    looks.bits[800:] = looks.bits[:100] ^ 1
    apart = features - features.mean(axis=0)
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    cosine = np.triu(apart @ apart.T, 1)
    off = np.bitwise_count(looks.bits ^ looks.bits.T)
    expected = np.argwhere((cosine >= 0.6) & (off <= 30 * (cosine - 0.6) / 0.4))
    found = near.pairs(features, np.arange(900), looks, SimpleNamespace(cosine=0.6, distance=30))
    assert plain(found) == {(a, b) for a, b in expected.tolist()}
    assert len(expected) >= 50


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_to_be_copies_are_none(count):
    features, looks = described_by(np.random.default_rng(0), count)
    assert near.pairs(features, np.arange(count), looks, LIMITS).empty


def test_the_nearer_the_activations_the_more_bits_may_differ():
    allowed = near.most_bits(np.array([0.8, 0.9, 1.0]), LIMITS)
    assert allowed.tolist() == pytest.approx([0, 10, 20])


# Sets and folds


def joined_by_hand(count, links):
    groups = [{i} for i in range(count)]
    for a, b in links:
        one, other = (next(g for g in groups if i in g) for i in (a, b))
        if one is not other:
            groups.remove(other)
            one |= other
    return [min(next(g for g in groups if i in g)) for i in range(count)]


@pytest.mark.parametrize("seed", range(20))
def test_links_join_sets_named_after_their_first(seed):
    rng = np.random.default_rng(seed)
    links = rng.integers(0, 30, (rng.integers(0, 40), 2)).tolist()
    assert together.sets(30, links).tolist() == joined_by_hand(30, links)


def rows_of(folds, **more):
    table = {"id": range(len(folds)), "image": [f"{i}.png" for i in range(len(folds))]}
    return pd.DataFrame(table | {"label": "cat", "fold": folds} | more)


def test_copies_go_where_most_of_them_are_and_the_others_stay():
    rows = rows_of([0, 1, 1, 2, 2, 0])
    found = together.regrouped(rows, [("0.png", "1.png"), ("1.png", "2.png")])
    assert found["fold"].tolist() == [1, 1, 1, 2, 2, 0]
    assert found["group"].nunique() == 4


def test_of_two_copies_the_second_goes_to_the_first_and_into_a_fold_that_validates():
    rows = rows_of([3, 0, -1, 1, -1, -1])
    pairs = [("0.png", "1.png"), ("2.png", "3.png"), ("4.png", "5.png")]
    assert together.regrouped(rows, pairs)["fold"].tolist() == [3, 3, 1, 1, -1, -1]


def test_two_rows_that_are_copies_of_one_test_image_are_copies():
    found = together.regrouped(rows_of([0, 1, 2]), [("0.png", "t.png"), ("2.png", "t.png")])
    assert found["fold"].tolist() == [0, 1, 0]


def test_groups_of_the_competition_are_joined_by_copies():
    rows = rows_of([0, 0, 0, 1, 1, 2], group=["a", "a", "a", "b", "b", "c"])
    found = together.regrouped(rows, [("0.png", "4.png")])
    assert found["fold"].tolist() == [0, 0, 0, 0, 0, 2]
    assert found["group"].nunique() == 2


def test_without_copies_the_rows_are_as_they_were():
    rows = rows_of([0, 1])
    assert together.regrouped(rows, []).equals(rows)


@pytest.mark.parametrize("seed", range(5))
def test_folds_stay_of_about_equal_size(seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(1000)
    pairs = [(f"{a}.png", f"{b}.png") for a, b in zip(order[:300], order[300:600], strict=True)]
    found = together.regrouped(rows_of(rng.permutation(1000) % 5), pairs)
    fold = found.set_index("image")["fold"]
    assert all(fold[a] == fold[b] for a, b in pairs)
    assert found["fold"].value_counts().between(150, 250).all()


# What is said


def test_contradictions_come_first_then_leaks_then_the_rest():
    rows = rows_of([0, 1, 0, 0, 0, 0]).assign(label=["cat", "cat", "cat", "dog", "cat", "cat"])
    names = [("4.png", "5.png"), ("0.png", "t.png"), ("0.png", "1.png"), ("2.png", "3.png"),
             ("t.png", "u.png")]  # fmt: skip
    pairs = pd.DataFrame(names, columns=report.PAIR).assign(kind="near", cosine=0.9, distance=3)
    table = report.described(pairs, rows)
    assert table["image_a"].tolist() == ["2.png", "0.png", "0.png", "4.png"]
    assert table["where"].tolist() == ["same fold", "across folds", "train-test", "same fold"]
    assert table["agree"].tolist() == ["no", "yes", "", "yes"]
    assert report.counts(table) == {
        "exact": 0, "near": 4, "across_folds": 1, "train_test": 1, "same_fold": 2,
        "contradicting": 1,
    }  # fmt: skip


# The stage


PICTURES = {  # by id, the class's number and the file; 0 to 17 are nothing alike
    **{f"{i:02d}": (i % 3, saved(scene(i))) for i in range(18)},
    "exact": (0, saved(scene(0))),
    "jpeg": (1, saved(scene(1), "JPEG", quality=50)),
    "wrong": (0, saved(scene(2))),
}
TESTS = {"t0": saved(scene(50)), "t1": saved(scene(3)), "t2": saved(scene(50))}
PLANTED = {
    ("train/00.png", "train/exact.png", "exact"), ("train/01.png", "train/jpeg.png", "near"),
    ("train/02.png", "train/wrong.png", "exact"), ("test/t1.png", "train/03.png", "exact"),
}  # fmt: skip


@pytest.fixture(scope="module")
def precomputed(tmp_path_factory):
    """A project of pictures with planted copies, after precompute."""
    source = tmp_path_factory.mktemp("competition")
    for folder, files in (("train", {k: v for k, (_, v) in PICTURES.items()}), ("test", TESTS)):
        (source / folder).mkdir()
        for name, data in files.items():
            (source / folder / f"{name}.png").write_bytes(data)
    rows = [f"{name},{CLASSES[number]}" for name, (number, _) in PICTURES.items()]
    (source / "labels.csv").write_text("\n".join(["id,label", *rows]) + "\n")
    rows = [f"{name},0.3,0.3,0.4" for name in TESTS]
    sample = "\n".join(["id,red,blue,green sea", *rows])
    (source / "sample_submission.csv").write_text(sample + "\n")
    limits = {"duplicates.cosine": LIMITS.cosine, "duplicates.distance": LIMITS.distance}
    folder = write_project(tmp_path_factory.mktemp("p"), source, **limits)
    run_all(folder, [], BEFORE)
    return folder


def duplicates(folder, **changes):
    """Run the stage; its words, the pairs that it lists, and the folds."""
    before = (folder / "params.yaml").read_text()
    edit(folder / "params.yaml", **changes)
    result = run_stage(folder, "duplicates")
    (folder / "params.yaml").write_text(before)
    assert result.exit_code == 0, result.output
    text = {"dtype": str, "keep_default_na": False}
    return (
        result.output,
        pd.read_csv(folder / "reports/duplicates.csv", **text),
        pd.read_csv(folder / "data/folds.csv", **text),
    )


def test_planted_copies_are_listed_and_nothing_else(precomputed):
    _, table, _ = duplicates(precomputed)
    names = [tuple(sorted(pair)) for pair in table[report.PAIR].itertuples(index=False, name=None)]
    assert {(*pair, kind) for pair, kind in zip(names, table["kind"], strict=True)} == PLANTED
    worst = table.iloc[0]
    assert {worst["image_a"], worst["image_b"]} == {"train/02.png", "train/wrong.png"}
    assert (worst["agree"], {worst["label_a"], worst["label_b"]}) == ("no", {"red", "blue"})
    assert all(len(cell) <= 6 for cell in table["cosine"])
    to_test = table[table["where"] == "train-test"].iloc[0]
    assert {to_test["label_a"], to_test["label_b"]} == {"", "blue"}


def test_it_is_told_in_a_sentence_and_counted(precomputed):
    output, table, _ = duplicates(precomputed)
    assert "3 pairs of images are exact copies and 1 look alike" in output
    assert "1 have contradicting labels" in output
    assert "mend those labels" in output
    found = json.loads((precomputed / "metrics/duplicates.json").read_text())
    assert (found["exact"], found["near"], found["contradicting"]) == (3, 1, 1)
    assert found["across_folds"] == (table["where"] == "across folds").sum()
    assert found["across_folds"] + found["train_test"] + found["same_fold"] == 4
    assert found["rows_moved"] == 0


def test_the_pictures_of_the_worst_pairs_are_drawn(precomputed):
    duplicates(precomputed)
    with Image.open(precomputed / "reports/duplicates.png") as image:
        colours = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert (np.unique(colours, axis=0).shape[0]) > 1000
    assert (colours == (196, 71, 58)).all(axis=1).any()  # the caption of the contradiction


def test_folds_are_those_of_split_unless_copies_are_to_be_kept_together(precomputed):
    duplicates(precomputed)
    screened = (precomputed / "data/screened.csv").read_bytes()
    assert (precomputed / "data/folds.csv").read_bytes() == screened


def test_copies_kept_together_share_a_fold_and_the_others_stay(precomputed):
    _, _, before = duplicates(precomputed)
    output, table, after = duplicates(precomputed, **{"split.keep_together": "duplicates"})
    assert "across folds" not in set(table["where"])
    fold = after.set_index("image")["fold"]
    moved = before["fold"] != after["fold"]
    assert all(fold[f"train/{a}.png"] == fold[f"train/{b}.png"]
               for a, b in [("00", "exact"), ("01", "jpeg"), ("02", "wrong")])  # fmt: skip
    assert set(before["id"][moved]) <= {"00", "exact", "01", "jpeg", "02", "wrong"}
    assert moved.any()
    assert f"{moved.sum()} rows were moved" in output
    assert list(before["image"]) == list(after["image"])


def test_limits_that_nothing_meets_leave_the_exact_copies(precomputed):
    _, table, _ = duplicates(precomputed, **{"duplicates.cosine": 0.9999, "duplicates.distance": 0})
    assert set(table["kind"]) == {"exact"}


def test_the_same_images_give_the_same_bytes(precomputed):
    outs = ["data/folds.csv", "reports/duplicates.csv", "reports/duplicates.png"]
    duplicates(precomputed)
    first = [(precomputed / out).read_bytes() for out in outs]
    duplicates(precomputed)
    assert [(precomputed / out).read_bytes() for out in outs] == first


def test_a_fold_without_rows_is_refused(precomputed):
    path = precomputed / "data/screened.csv"
    before = path.read_text()
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows["fold"] = ["1" if name == "exact" else "0" for name in rows["id"]]
    rows.to_csv(path, index=False)
    params = (precomputed / "params.yaml").read_text()
    edit(precomputed / "params.yaml", **{"split.keep_together": "duplicates"})
    try:
        result = run_stage(precomputed, "duplicates")
    finally:
        path.write_text(before)
        (precomputed / "params.yaml").write_text(params)
    assert result.exit_code == 1
    assert "fold 1 has no rows left once copies are in one fold; raise split.val_pct" in (
        result.output
    )
