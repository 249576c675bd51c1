"""What is said of copies: where the two lie, whether their labels agree, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

PAIR = ["image_a", "image_b"]
WHERE = ["across folds", "train-test", "same fold"]  # the worst first


def described(pairs: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The pairs with a training image among them, the worst first.

    To image_a, image_b, kind, cosine and distance come where the two lie, label_a, label_b and
    whether these agree: yes, no, or nothing where one is a test image.
    """
    known = rows.drop_duplicates("image").set_index("image")
    fold_a, fold_b = (pairs[image].map(known["fold"]) for image in PAIR)
    labels = {f"label_{end}": pairs[f"image_{end}"].map(known["label"]) for end in "ab"}
    label_a, label_b = labels.values()
    both = fold_a.notna() & fold_b.notna()
    where = np.select([~both, fold_a != fold_b], ["train-test", "across folds"], "same fold")
    agree = np.select([~both, label_a == label_b], ["", "yes"], "no")
    table = pairs.assign(where=where, **labels, agree=agree)
    return _worst_first(table[fold_a.notna() | fold_b.notna()])


def _worst_first(table: pd.DataFrame) -> pd.DataFrame:
    """Contradicting labels first, then leaks into validation and test, the surest copies first."""
    keys = table.assign(
        agree=table["agree"] != "no", where=table["where"].map(WHERE.index), cosine=-table["cosine"]
    )
    order = keys.sort_values(["agree", "where", "distance", "cosine", *PAIR]).index
    return table.loc[order].reset_index(drop=True)


def counts(table: pd.DataFrame) -> dict[str, int]:
    """How many pairs there are of each sort."""
    wanted = {"exact": "kind", "near": "kind"} | dict.fromkeys(WHERE, "where")
    found = {
        value.replace(" ", "_").replace("-", "_"): int((table[column] == value).sum())
        for value, column in wanted.items()
    }
    return found | {"contradicting": int((table["agree"] == "no").sum())}


def sentence(found: dict[str, int], moved: int) -> str:
    """What was found, and what to do about it."""
    if not found["exact"] + found["near"]:
        return "no image is a copy of another."
    told = f"; {moved} rows were moved to the fold of their copies" if moved else ""
    return (
        f"{found['exact']} pairs of images are exact copies and {found['near']} look alike; "
        f"{found['across_folds']} lie across folds, {found['train_test']} across training and "
        f"test, and {found['contradicting']} have contradicting labels{told}: "
        f"{' and '.join(_advice(found))}."
    )


def _advice(found: dict[str, int]) -> Iterator[str]:
    yield "look at reports/duplicates.png"
    if found["contradicting"]:
        yield "mend those labels"
    if found["across_folds"]:
        yield "set split.keep_together to duplicates, or validation scores will flatter"
