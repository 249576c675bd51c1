"""Reading params.yaml: checked as a whole before any stage works, faults told in sentences.

A mistyped key so costs seconds, not the night. `load(stage)` hands a stage only the keys that it
declares in dvc.yaml: a stage that reads a key DVC does not watch fails at once instead of going
stale.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_args

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.error import MarkedYAMLError

from stages.base import paths, pipeline
from stages.base.errors import SettingsError

if TYPE_CHECKING:  # pydantic is slow to import: a command's help and completion do without
    from pydantic import BaseModel

    from stages.base.settings import Settings


def keys(group: type[BaseModel] | None = None, prefix: str = "") -> Iterator[str]:
    """Every dotted key of the schema; list items appear under their list's own key."""
    from pydantic import BaseModel

    from stages.base.settings import Settings

    for name, field in (group or Settings).model_fields.items():
        yield f"{prefix}{name}"
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from keys(inner, f"{prefix}{name}.")


def read(path: Path = paths.PARAMS) -> Settings:
    """Read and check a whole params file.

    Raises:
        SettingsError: one sentence a fault, each naming the file, the key and the remedy.

    """
    from pydantic import ValidationError

    from stages.base import consistency
    from stages.base.settings import Settings

    document = _document(path)
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        found = [*_sentences([_Fault.of(e) for e in error.errors(include_url=False)])]
    else:
        found = [f"{sentence}." for sentence in consistency.faults(settings)]
        if not found:
            return settings
    raise SettingsError("\n".join(f"{path}: {sentence}" for sentence in found))


def _document(path: Path) -> dict[str, Any]:
    """The groups of a params file, read as YAML 1.2, as DVC does: 1e-3 is a number."""
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such file; run this where it is.") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}.") from None
    except Exception as error:  # noqa: BLE001  ruamel lets through what a value's form provokes
        raise SettingsError(f"{path}: {_not_yaml(error)}.") from None
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: expected groups of keys such as `competition:`.")
    return document


def _not_yaml(error: Exception) -> str:
    """Why a text is not YAML, in one line, with the number of its line where ruamel knows it."""
    line, said = "", str(error)
    if isinstance(error, MarkedYAMLError):
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        said = ", ".join(filter(None, [error.context, error.problem]))
    elif not isinstance(error, YAMLError | ValueError):
        said = f"a value cannot be read ({type(error).__name__}: {said})"
    return f"{line}not YAML: {_printable(' '.join(said.split()))}"


def _printable(text: str) -> str:
    """Text in one line, escaped as in Python where a terminal would not show it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


@dataclass(frozen=True)
class _Fault:
    """One of pydantic's errors, under the key that the user wrote."""

    key: str
    kind: str
    given: Any
    said: Any

    @classmethod
    def of(cls, error: Any) -> _Fault:
        names = {part for key in keys() for part in key.split(".")}
        kind = "unknown" if error["type"] in ("extra_forbidden", "invalid_key") else error["type"]
        *parents, leaf = error["loc"] or [""]
        own = kind in ("unknown", "missing")  # else it may be a type's name
        kept = [p for p in parents if isinstance(p, int) or p in names]
        kept += [leaf] if own or isinstance(leaf, int) or leaf in names else []
        return cls(".".join(map(str, kept)), kind, error["input"], error.get("ctx", {}))


def _sentences(faults: list[_Fault]) -> Iterator[str]:
    """One sentence a fault; a mistyped key is one, and so is a value that fits no alternative."""
    meant = {near for f in faults if f.kind == "unknown" for near in _nearest(f.key)}
    for key in dict.fromkeys(f.key for f in faults):
        same = [f for f in faults if f.key == key]
        kind = same[0].kind
        if kind == "unknown":
            yield f"unknown key {_printable(key)[:LONGEST]}; {_hint(key)}"
        elif kind == "missing" and key not in meant:
            yield f"{key} is missing: every key is needed, take it from recipes/."
        elif kind != "missing" and not any(f.key.startswith(f"{key}.") for f in faults):
            expected = " or ".join(dict.fromkeys(_expected(f) for f in same))
            yield f"{key}: expected {expected}, not {_shown(same[0].given)}."


EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_unicode": "text without half a surrogate pair",
    "string_too_short": "text of at least {min_length} character",
    "string_too_long": "text of at most {max_length} characters",
    "recursion_loop": "a value that does not hold itself",
    "list_type": "a list",
    "model_type": "a group of keys",
    "literal_error": "{expected}",
    "greater_than": "a number above {gt:.10g}",
    "greater_than_equal": "a number of at least {ge:.10g}",
    "less_than": "a number below {lt:.10g}",
    "less_than_equal": "a number of at most {le:.10g}",
    "too_short": "a list of at least {min_length}",
}
FORMS = {
    "competition.metric": "map@ and a number (map@5)",
    "competition.slug": "small letters, digits and hyphens, as in the competition's address",
    "submission.file": "a name of the form submission.csv, without a folder",
}
LONGEST = 60  # characters of a key or a value that a sentence shows
SPELLED = {None: "null", True: "true", False: "false"}


def _expected(fault: _Fault) -> str:
    if fault.kind == "string_pattern_mismatch":
        return FORMS.get(fault.key, "text of another form")
    return EXPECTED.get(fault.kind, "another value").format(**fault.said)


def _shown(value: Any) -> str:
    """A value as it is spelled in YAML, shortened."""
    if value is None or isinstance(value, bool):
        return SPELLED[value]
    try:
        text = str(value) if isinstance(value, date) else repr(value)
    except ValueError:  # Python spells out no number above 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."


def _hint(key: str) -> str:
    """What the user may have meant by an unknown key, or what there is."""
    if near := _nearest(key):
        return f"did you mean {' or '.join(near)}?"
    group = key.rpartition(".")[0]
    siblings = _siblings(group) or _siblings(group := "")  # the key itself may hold a dot
    return f"{group or 'the file'} has {', '.join(siblings)}."


def _siblings(group: str) -> list[str]:
    """The keys of a group; the numbers of list items do not count."""
    plain = ".".join(part for part in group.split(".") if not part.isdigit())
    return [key.rpartition(".")[2] for key in keys() if key.rpartition(".")[0] == plain]


def _nearest(key: str) -> list[str]:
    """The schema's keys most like `key`: siblings, by their whole name or last word, else any."""
    group, _, leaf = key.rpartition(".")
    siblings = _siblings(group)
    for form in (str, _last_word):
        if near := difflib.get_close_matches(leaf, map(form, siblings), n=1):
            return [f"{group}.{s}" if group else s for s in siblings if form(s) == near[0]]
    leaves = [name.rpartition(".")[2] for name in keys()]
    near = difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.85)
    return [name for name in keys() if near and name.rpartition(".")[2] == near[0]]


def _last_word(name: str) -> str:
    return name.rpartition("_")[2]


def only(settings: Settings, wanted: Iterable[str]) -> SimpleNamespace:
    """`settings` with nothing in it but the dotted keys in `wanted`."""
    view = SimpleNamespace()
    for key in wanted:
        *groups, leaf = key.split(".")
        source, target = settings, view
        for group in groups:
            source = getattr(source, group)
            target = vars(target).setdefault(group, SimpleNamespace())
        setattr(target, leaf, getattr(source, leaf))
    return view


def load(stage: str) -> SimpleNamespace:
    """The checked params that `stage` may see: what it declares in dvc.yaml, and `runtime`."""
    return only(read(), [*pipeline.params(stage), "runtime"])
