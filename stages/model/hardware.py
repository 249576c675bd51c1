"""Where the network runs and in which precision: by rule, never by timing, and recorded.

A timing would make a result differ from run to run.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

import torch
from torch import nn

from stages.base.errors import UserError
from stages.base.settings import Runtime
from stages.model.processor import processor

NO_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|_ALLOC_FAILED")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, MOST = -1, -3, 2**31 - 1  # of glibc's mallopt(3)
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_device(runtime: Runtime) -> torch.device:
    """`auto` is cuda, else mps, else cpu.

    Raises:
        UserError: the device is not there.

    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    wanted = runtime.device
    if wanted == "auto":
        wanted = next(name for name, here in there.items() if here)
    if not there[wanted]:
        raise UserError(f"runtime.device: this machine has no {wanted}; use auto or cpu.")
    if wanted == "cuda":
        repeatable(on=runtime.deterministic)
    keep_freed_memory()
    return torch.device(wanted)


def keep_freed_memory() -> None:
    """Have the C library keep the memory that tensors free, instead of handing it back.

    Each step frees as much as the next one takes; to get it from the system anew, page by page,
    doubled the time of a step on a CPU.
    """
    with suppress(AttributeError, OSError):  # a C library other than glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, MOST)
        libc.mallopt(M_MMAP_THRESHOLD, MOST)


def repeatable(*, on: bool) -> None:
    """Have CUDA compute the same bits in each run; an operation that cannot is warned of.

    Otherwise cuDNN tries its convolutions and takes the fastest, as under fastai.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what torch then asks for
    torch.use_deterministic_algorithms(on, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # it fills each tensor
    torch.backends.cudnn.deterministic = on
    torch.backends.cudnn.benchmark = not on


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor on the device; to CUDA alone without waiting for the copy.

    MPS would copy from memory that is freed meanwhile, and hold other numbers (pytorch 189690).
    """
    return tensor.to(device, non_blocking=device.type == "cuda")


@dataclass(frozen=True)
class Precision:
    """The device, and the precision of the backbone on it."""

    device: torch.device
    name: str = "fp32"

    def autocast(self) -> AbstractContextManager:
        """The autocast context; off for fp32."""
        return torch.autocast(self.device.type, DTYPES[self.name], enabled=self.name != "fp32")


def resolve_precision(wanted: str, where: torch.device) -> Precision:
    """Resolve `auto`: bf16, or fp16 on a GPU without it, or fp32 where neither is fast."""
    if wanted != "auto":
        return Precision(where, wanted)
    if where.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        return Precision(where, "bf16" if fast else "fp16")
    return Precision(where, "bf16" if where.type == "cpu" and _cpu_has_bf16() else "fp32")


def train_depthwise_in_fp32(backbone: nn.Module) -> None:
    """Leave autocast out of the training of depthwise convolutions.

    On a CPU their backward pass in bf16 is several times slower than in fp32, and all else is
    faster. In prediction they follow autocast as before.
    """
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            module.forward = _in_fp32_when_trained(module.forward)


def _in_fp32_when_trained(forward: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def run(x: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():
            return forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return forward(x.float())

    return run


def _cpu_has_bf16() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@contextmanager
def enough_memory(key: str, batch_size: int, where: torch.device) -> Iterator[None]:
    """Turn the device's lack of memory into a sentence with the batch size to try.

    Raises:
        UserError: the block did not find enough memory.

    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not (isinstance(error, MemoryError) or NO_MEMORY.search(str(error))):
            raise
        raise UserError(
            f"{key}: the {where.type} has no memory for {batch_size} images at once; try "
            f"{max(2, batch_size // 2)}. What was done is kept: with the same batch_size and more "
            "free memory `dvc repro` goes on from there."
        ) from None


def record(used: Precision) -> dict[str, str | int | bool]:
    """What can change the last digits, for the metrics."""
    cuda = used.device.type == "cuda"
    return {
        "device": _named(used.device.type),
        "threads": torch.get_num_threads(),
        "precision": used.name,
        "torch": torch.__version__.partition("+")[0],
        **({"deterministic": torch.are_deterministic_algorithms_enabled()} if cuda else {}),
    }


def _named(kind: str) -> str:
    """The model of a GPU or a processor: two of one brand may round in another order."""
    match kind:
        case "cuda":
            return torch.cuda.get_device_name()
        case "cpu":
            return f"cpu: {processor()}"
    return kind
