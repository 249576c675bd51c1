"""Checkpoints: safetensors, whose header says what the tensors are; nothing is ever executed.

While the backbone is frozen a checkpoint holds the head alone: a few hundred kilobytes a stage
and fold. Once layers of the backbone have been trained it holds everything.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from stages.base.errors import UserError
from stages.base.records import whole
from stages.model import tasks
from stages.model.network import Network, Pool, build_backbone, build_head
from stages.model.tasks import Task

Tensors = dict[str, torch.Tensor]
KEY = "repodium"  # one metadata key: the file's bytes do not depend on a hash map's order


Whole = Annotated[int, Field(ge=1, le=2**20)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Above0 = Annotated[Number, Field(gt=0)]
Channels = Annotated[list[Number], Field(min_length=3, max_length=3)]
Spreads = Annotated[list[Above0], Field(min_length=3, max_length=3)]


@dataclass(frozen=True)
class BackboneHeader:
    """What a backbone file says of itself."""

    architecture: str
    source: str
    features: Whole  # channels of the feature map
    mean: Channels
    std: Spreads


@dataclass(frozen=True)
class Header:
    """What a checkpoint says of itself."""

    architecture: str
    task: Literal["multiclass", "multilabel", "regression"]
    classes: Annotated[list[str], Field(min_length=1)]
    pool: Literal["concat", "avg", "max"]
    head_layers: list[Whole]
    dropout: list[Annotated[float, Field(ge=0, lt=1)]]
    centre: list[Number]  # of a regression's numbers; else empty
    spread: list[Above0]
    size: Whole
    mean: Channels
    std: Spreads
    trained: Literal["head", "all"]  # all: the backbone's tensors are in the file too

    def __post_init__(self) -> None:
        numbers = len(self.classes) if self.task == "regression" else 0
        if (len(self.centre), len(self.spread)) != (numbers, numbers):
            raise ValueError("centre and spread are a regression's, one a number")
        if len(self.dropout) != len(self.head_layers) + 1:
            raise ValueError("dropout comes before each linear layer")

    @property
    def trains(self) -> Task:
        """The task's loss, activation and metric."""
        return tasks.of(self.task, self.centre, self.spread)

    def build_head(self, channels: int) -> nn.Sequential:
        """A new head of this form."""
        features = Pool(self.pool).width(channels)
        return build_head(features, len(self.classes), self.head_layers, self.dropout)

    def after(self, size: int, layers: str) -> Header:
        """The same, after more training; a backbone once trained stays in the file."""
        trained = "all" if "all" in (self.trained, layers) else "head"
        return replace(self, size=size, trained=trained)

    def check_purpose(self, path: Path, task: str, classes: list[str]) -> None:
        """Refuse the checkpoint at `path` if it was trained for something else.

        Raises:
            UserError: its task or its classes, or their order, are not these.

        """
        remedy = "run `dvc repro` so that it is trained anew"
        if self.task != task:
            raise UserError(
                f"{path} was trained for {self.task}, and the task is {task}; {remedy}."
            )
        if self.classes != classes:
            pairs = zip_longest(map(repr, self.classes), map(repr, classes), fillvalue="missing")
            place, (its, ours) = next((i, p) for i, p in enumerate(pairs, 1) if p[0] != p[1])
            raise UserError(
                f"{path} was trained for {len(self.classes)} classes, and there are "
                f"{len(classes)}: number {place} is {its} there and {ours} here; {remedy}."
            )


def save(path: Path, header: Header | BackboneHeader, tensors: Tensors) -> None:
    """Write tensors and header, whole or not at all."""
    with whole(path) as part:
        write(part, header, tensors)


def write(path: Path, header: Any, tensors: Tensors) -> None:
    """Write tensors and a header, any dataclass of plain values.

    Raises:
        OSError: the disk is full, or fails.

    """
    rows = {"memory_format": torch.contiguous_format}  # copies: a layer may be in several places
    plain = {name: tensor.detach().cpu().clone(**rows) for name, tensor in tensors.items()}
    try:
        save_file(plain, path, metadata={KEY: json.dumps(asdict(header))})
    except SafetensorError as error:
        if number := re.search(r"\(os error (\d+)\)", str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None
        raise


def read_header(path: Path, kind: type = Header) -> Any:
    """The header alone, without the tensors.

    Raises:
        UserError: the file is not one of ours.

    """
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {})[KEY]
        TypeAdapter(kind).validate_json(text, strict=True)
        return kind(**json.loads(text))  # refuses keys too many
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError):
        raise UserError(
            f"{path} is not a {kind.__name__} file of Repodium's; delete it and run `dvc repro`."
        ) from None


def save_head(path: Path, header: Header, head: nn.Module) -> None:
    """Save a head that was trained on a frozen backbone."""
    save(path, replace(header, trained="head"), head.state_dict(prefix="head."))


def save_network(path: Path, header: Header, network: Network) -> None:
    """Save a network: the head, and the backbone if it was ever trained."""
    save(path, header, tensors_of(network, header.trained))


def tensors_of(network: Network, trained: str) -> Tensors:
    """The tensors of the head, and those of the backbone if all was `trained`."""
    backbone = network.backbone.state_dict(prefix="backbone.") if trained == "all" else {}
    return network.head.state_dict(prefix="head.") | backbone


def restore(network: Network, tensors: Tensors) -> None:
    """Put such tensors back into the network, where it is."""
    network.head.load_state_dict(_without("head", tensors))
    if backbone := _without("backbone", tensors):
        network.load_backbone(backbone)


def load_network(path: Path, backbone: Path) -> Network:
    """The network of a checkpoint, on the CPU; the backbone from its own file unless trained.

    Raises:
        UserError: the two files are of different architectures, or tensors are missing.

    """
    header, base = read_header(path), read_header(backbone, BackboneHeader)
    if header.architecture != base.architecture:
        raise UserError(
            f"{path} is a {header.architecture} and {backbone} a {base.architecture}; "
            "run `dvc repro` so that they belong together."
        )
    try:
        tensors = load_file(path)
        body = build_backbone(header.architecture)
        head = header.build_head(base.features)
        trained = _without("backbone", tensors)
        body.load_state_dict(trained if header.trained == "all" else load_file(backbone))
        head.load_state_dict(_without("head", tensors))
    except (RuntimeError, SafetensorError) as error:
        difference = str(error).split("\n")[:2][-1].strip(" \t.")
        raise UserError(
            f"{path} is not the {header.architecture} that it says it is ({difference}); delete it "
            "and run `dvc repro`."
        ) from None
    return Network(body, head, header.pool, header.mean, header.std)


def _without(prefix: str, tensors: Tensors) -> Tensors:
    start = f"{prefix}."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
