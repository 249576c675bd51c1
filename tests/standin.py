"""Stands in for a stage's command: its outs depend on its declared params and data, as a stage's.

Code does not enter: an edit of the code here is one that changes no result. What find_lr suggests
stays the same too, as a rounded rate mostly does, every image can be read, and no two are copies.
"""

import hashlib
import json
import sys
from pathlib import Path

from ruamel.yaml import YAML

stage, fold = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
yaml = YAML(typ="safe")
params = yaml.load(Path("params.yaml"))
definition = yaml.load(Path("dvc.yaml"))["stages"][stage]


def value(key: str) -> object:
    """A value of params.yaml by its dotted key."""
    node = params
    for part in key.split("."):
        node = node[part]
    return node


def real(path: str) -> Path:
    """A path of dvc.yaml with its variables filled in."""
    file, first = params["submission"]["file"], str(params["folds"][0])
    known = {"${item.fold}": fold, "${submission.file}": file, "${folds.0}": first}
    for variable, text in known.items():
        path = path.replace(variable, text)
    return Path(path)


declared = [value(key) for key in definition["params"] if not key.startswith("screen")]
digest = hashlib.sha256(json.dumps(declared).encode())
for dependency in map(real, definition["deps"]):
    if dependency.parts[0] != "stages":
        inside = dependency.rglob("*") if dependency.is_dir() else [dependency]
        for file in sorted(f for f in inside if f.is_file()):
            digest.update(file.read_bytes())
for out in map(real, definition["outs"]):
    target = out if out.suffix else out / "content"
    target.parent.mkdir(parents=True, exist_ok=True)
    same = out.name == "unreadable.csv"
    text = f"{stage} {out} {'' if same else digest.hexdigest()}\n"
    if out.name == "folds.csv":  # without copies, and unless they are to be kept together
        text = Path("data/screened.csv").read_text()
    target.write_text(text)
for metric in definition["metrics"]:
    path = real(next(iter(metric)))
    path.parent.mkdir(parents=True, exist_ok=True)
    result = 0.01 if stage.startswith("find_lr") else digest.hexdigest()
    path.write_text(json.dumps({"result": result}))
