"""Hypothesis strategies: files as users and strangers make them, sound ones damaged on the way."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

ODD_TEXT = ["", " ", "\0", "\n", "a\nb", "\x1b[2J", "\ud800", "é", "字", "\u202e", "{0}", "%s",
            "../..", "CON", "-", "*", "(", "((a)", "(?P<a", "a{99999999999}", "[[a]]", "null",
            "full", "auto", "map@0", "map@99999999999999999999", "x" * 5000]  # fmt: skip
ODD_YAML = [
    ".nan", ".inf", "-.inf", "1e999", "-0.0", "5e-324", "1.7e308", "0", "-1", "1" + "0" * 400,
    "9" * 5000, "0x" + "f" * 5000, "0o17", "1_000", "2001-01-01", "2001-99-99",
    "2001-01-01T00:00:00+99:99", "null", "~", "true", "yes", "[]", "{}", "[[[]]]", "[null]",
    "{null: null}", "{[a]: b}", "{{a: b}: c}", "&a [*a]", "&a {b: *a}", "*nowhere",
    "[&b 1, *b, *b]", "!!python/object:os.system {}", "!!python/object/apply:os.system ['true']",
    "!!python/name:os.system ''", "!!binary aGk=", "!!binary '*'", "!!set {a, b}", "!!omap [a: 1]",
    "!!int x", "!!float x", "!!bool x", "!!timestamp x", "!!null x", "!own {a: 1}", "!!str 1",
    "{a: 1, a: 2}", "{<<: 1}", "{<<: {a: 1}}", "{? [a, b] : c}", "\"\\ud800\"", "\"\\0\"",
    "\"\\U99999999\"", "'", "\"", "[", "{", "%", "@", "`", "|", ">", "? ", ": ", "- ",
    "[" * 3000 + "]" * 3000, "{a: " * 3000 + "1" + "}" * 3000,
]  # fmt: skip
CODECS = ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-32", "cp1252"]
MARK = "\ue000"  # stands where a value is written as YAML instead of JSON

odd_text = st.sampled_from(ODD_TEXT) | st.text(max_size=20)
odd_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | odd_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text, inner, max_size=3),
    max_leaves=6,
)
odd_bytes = st.binary(max_size=4) | st.sampled_from([b"\0", b"\xff", b"\r", b"\n", b",", b'"'])


@st.composite
def damaged(draw: st.DrawFn, sound: bytes, cuts: int = 4) -> bytes:
    """A file with bytes replaced, put in or taken out at a few places, or cut off."""
    data = sound
    for _ in range(draw(st.integers(1, cuts))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.sampled_from([0, 1, 1, 4, 100, len(data)]))
        data = data[:at] + draw(odd_bytes) + data[at + gone :]
    return data


def places(node: Any, path: tuple = ()) -> Iterator[tuple]:
    """The path of every value inside a document."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def change(draw: st.DrawFn, document: dict, raw: list[str]) -> None:
    """Delete, rename, repeat or replace one value of a document.

    One that only YAML can write goes to `raw`, and a mark with its number into the document.
    """
    *parents, leaf = draw(st.sampled_from(sorted(places(document), key=str)))
    node = document
    for key in parents:
        node = node[key]
    how = draw(st.sampled_from(["delete", "rename", "repeat", "value", "value", "yaml", "yaml"]))
    if how in ("rename", "repeat") and isinstance(node, dict):
        node[draw(odd_text)] = copy.deepcopy(node[leaf])
    if how in ("delete", "rename"):
        node.pop(leaf)
    elif how == "value":
        node[leaf] = draw(odd_values)
    elif how == "yaml":
        node[leaf] = f"{MARK}{len(raw)}{MARK}"
        raw.append(draw(st.sampled_from(ODD_YAML)))


@st.composite
def changed_documents(draw: st.DrawFn, sound: bytes) -> bytes:
    """A YAML file with one value or a few changed, in some encoding."""
    document, raw = YAML(typ="safe", pure=True).load(sound), []
    for _ in range(draw(st.integers(1, 3))):
        change(draw, document, raw)
    text = json.dumps(document, ensure_ascii=False)
    for i, value in enumerate(raw):
        text = text.replace(f'"{MARK}{i}{MARK}"', value)
    return text.encode(draw(st.sampled_from(["utf-8"] * 5 + CODECS)), errors="replace")


def changed_params(sound: list[bytes]) -> st.SearchStrategy[bytes]:
    """Params files that went wrong, as documents or as bytes."""
    chosen = st.sampled_from(sound)
    recoded = st.builds(
        lambda data, codec, end: data.decode().replace("\n", end).encode(codec, "replace"),
        chosen, st.sampled_from(CODECS), st.sampled_from(["\n", "\r\n", "\r", "\x85"]),
    )  # fmt: skip
    return chosen.flatmap(changed_documents) | chosen.flatmap(damaged) | recoded


def scaled(share: float) -> settings:
    """Settings with a share of the profile's examples, for what is slow."""
    return settings(max_examples=max(2, int(settings.default.max_examples * share)))
