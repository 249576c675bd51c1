"""`make`, in a folder of any name."""

import shutil
import subprocess

from tests.project import ROOT

STAND_IN = """#!/bin/sh
# A python that makes environments of itself, and installs nothing.
[ "$2" != venv ] || { mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; }
"""


def test_the_environment_is_made_also_where_the_path_has_a_space(tmp_path):
    folder, python = tmp_path / "my competitions", tmp_path / "python"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    python.write_text(STAND_IN)
    python.chmod(0o755)
    made = subprocess.run(
        ["make", "install", f"PYTHON={python}"], cwd=folder, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    assert (folder / ".venv/ready").exists()
