"""The name of this machine's processor.

What computes convolutions chooses its way by it, so that two of one brand, with the same
instructions, may round in another order.
"""

from __future__ import annotations

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
NAME = "model name"
KINDS = {  # what tells processors of one name apart, and how it is written
    "cpu family": "family", "model": "model",
    "CPU implementer": "implementer", "CPU part": "part",  # on Arm, where there is no name
}  # fmt: skip


def processor() -> str:
    """As "AMD EPYC (family 25, model 17)" on Linux; elsewhere what Python knows of it."""
    try:
        return describe(CPUINFO.read_text("utf-8", "replace"))
    except OSError:
        return platform.processor() or platform.machine()


def describe(cpuinfo: str) -> str:
    """The first processor of a /proc/cpuinfo."""
    lines = (line.partition(":") for line in cpuinfo.partition("\n\n")[0].splitlines())
    found = {key.strip(): value.strip() for key, _, value in lines}
    kind = ", ".join(f"{word} {found[key]}" for key, word in KINDS.items() if key in found)
    name = found.get(NAME, platform.machine())
    return f"{name} ({kind})" if kind else name
