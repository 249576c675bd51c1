"""The processor's name, by which runs on two machines are told apart."""

import platform
from pathlib import Path

import pytest

from stages.model import processor

EPYC = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: {family}
model\t\t: {model}
model name\t: AMD EPYC
stepping\t: 1
flags\t\t: fpu vme avx512_bf16

processor\t: 1
cpu family\t: 99
"""
GRAVITON = """\
processor\t: 0
BogoMIPS\t: 243.75
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd40
"""


@pytest.mark.parametrize(("family", "model"), [(25, 17), (26, 2)])
def test_processors_of_one_brand_are_told_apart(family, model):
    told = processor.describe(EPYC.format(family=family, model=model))
    assert told == f"AMD EPYC (family {family}, model {model})"


def test_one_on_arm_has_numbers_for_a_name():
    expected = f"{platform.machine()} (implementer 0x41, part 0xd40)"
    assert processor.describe(GRAVITON) == expected


def test_where_nothing_is_told_the_kind_of_machine_is_named():
    assert processor.describe("") == platform.machine()


@pytest.mark.parametrize(("python", "expected"), [("arm", "arm"), ("", platform.machine())])
def test_without_linux_it_is_what_python_knows(monkeypatch, python, expected):
    monkeypatch.setattr(processor, "CPUINFO", Path("/nowhere"))
    monkeypatch.setattr(platform, "processor", lambda: python)
    assert processor.processor() == expected
