"""How near each stage comes to its limit: images a second beside those of the bare work.

The limit of resize is a loop over bytes in memory that decodes (torchvision, or OpenCV where the
decoder itself can shrink), resizes (torch) and encodes (OpenCV), on every core; that of the other
stages the network alone, on synthetic tensors of the same size and batch. Each pair is measured in
alternation, in one process, and the ratio is that of the medians.

    python benchmarks/rates.py                      every stage, with efficientnet_lite0
    python benchmarks/rates.py precompute --architecture resnet34 --precision fp32
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import click
import cv2
import numpy as np
import torch
import torch.nn.functional as F
import torchvision.io
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import nn

from stages import precompute, resize
from stages.base.cores import resolve_workers
from stages.base.settings import Optimizer, Transforms
from stages.base.unfinished import Kept
from stages.competition.archive import Archive
from stages.fit.data import ImageData
from stages.fit.groups import layer_groups
from stages.fit.stepper import Learner, Stepper
from stages.images import decoding, packing
from stages.images.loading import ManyViews, Views
from stages.images.pack import Pack
from stages.learner import prediction
from stages.model import hardware, tasks
from stages.model.network import Network, build_backbone, build_head

QUALITY, CLASSES = 90, 10
PHOTOGRAPHS = "photographs.zip"
SIDE_ON = Transforms(augment="side_on", max_zoom=1.1, rotate=10, lighting=0.05)
RUNTIME = SimpleNamespace(device="auto", deterministic=False, workers="auto")
Work = Callable[[], None]


def photographs(path: Path, number: int, width: int = 500) -> Archive:
    """An archive of JPEGs of 4 : 3, cut at random from scikit-learn's two photographs."""
    rng, (first, second) = np.random.default_rng(0), load_sample_images().images
    images = {}
    for i in range(number):
        cut = int(rng.integers(320, 560))
        left, top = rng.integers(0, 641 - cut), rng.integers(0, 428 - cut * 3 // 4)
        box = left, top, left + cut, top + cut * 3 // 4
        image = Image.fromarray((first, second)[i % 2]).resize((width, width * 3 // 4), box=box)
        images[f"{i:04d}.jpg"] = decoding.to_jpeg(np.asarray(image), 92)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in images.items():
            archive.writestr(name, data)
    return Archive(path)


def pack_of(archive: Archive, kept: Path, side: int) -> packing.Writer:
    """Read all images, resize them to this shorter side and pack them, as resize does."""
    work = partial(resize.resize, archive, side, QUALITY)
    with packing.Writer(Kept(kept)) as writer:
        for name, result in resize.in_order(work, archive.names, threads=os.cpu_count() or 1):
            writer.add(name, *result, training=True)
    return writer


def pack_of_photographs(folder: Path, number: int, side: int, width: int = 500) -> Pack:
    """The pack of photographs, in `folder`; they are beside it in an archive."""
    pack_of(photographs(folder / PHOTOGRAPHS, number, width), folder / "kept", side)
    packing.place(Kept(folder / "kept"), folder / "pack")
    return Pack(folder / "pack")


def bare_resize(data: bytes, side: int, shrunk: int, *, encode: bool) -> None:
    """Decode, resize and encode one image."""
    pixels = bare_decode(data, shrunk)
    width, height = decoding.scaled_size(pixels.shape[1], pixels.shape[0], side)
    batch = pixels[None].permute(0, 3, 1, 2)  # channels last, also in its strides
    small = F.interpolate(batch, (height, width), mode="bilinear", antialias=True)
    if encode:
        decoding.to_jpeg(small[0].permute(1, 2, 0).numpy(), QUALITY)


def bare_decode(data: bytes, shrunk: int) -> torch.Tensor:
    """Pixels (H, W, 3): by torchvision, or by OpenCV where the decoder is to shrink by a factor."""
    raw = np.frombuffer(bytearray(data), np.uint8)
    if shrunk:
        return torch.from_numpy(cv2.imdecode(raw, decoding.REDUCED[shrunk] | cv2.IMREAD_COLOR_RGB))
    return torchvision.io.decode_jpeg(torch.from_numpy(raw)).permute(1, 2, 0).contiguous()


class Plain(Network):
    """The limit: as timm has it, nothing folded."""

    def _frozen(self, inputs: torch.Tensor) -> nn.Module:  # noqa: ARG002
        return self.backbone


class Bench:
    """A pack of photographs, a network, and the pairs of works that are compared."""

    def __init__(
        self,
        folder: Path,
        architecture: str,
        size: int,
        side: int,
        batch: int,
        n: int,
        width: int,
        precision: str,
        encode: bool,
    ) -> None:
        self.encode = encode
        self.folder, self.size, self.side, self.batch, self.n = folder, size, side, batch, n
        self.pack, self.rows = pack_of_photographs(folder, n, side, width), np.arange(n)
        self.shrunk = max(by for by in decoding.REDUCED if width * 3 // 4 >= by * side)
        self.device = hardware.resolve_device(RUNTIME)
        self.network, self.plain = (
            self._network(architecture, kind, precision) for kind in (Network, Plain)
        )
        self.settings = SimpleNamespace(
            precompute=SimpleNamespace(batch_size=batch), runtime=RUNTIME
        )

    def _network(self, architecture: str, kind: type[Network], precision: str) -> Network:
        backbone = build_backbone(architecture)
        head = build_head(2 * backbone.num_features, CLASSES, [512], [0.25, 0.5])
        return kind(backbone, head, "concat", [0.5] * 3, [0.25] * 3).place(self.device, precision)

    def resize(self) -> tuple[Work, Work]:
        """The whole stage, and the bare work on every core."""
        threads, numbers = torch.get_num_threads(), itertools.count()
        archive = Archive(self.folder / PHOTOGRAPHS)
        data = [archive.read(name) for name in archive.names]

        def alone(work: Work) -> None:
            resize.one_thread_an_image()
            work()
            torch.set_num_threads(threads)

        def stage() -> None:
            pack_of(archive, self.folder / f"kept{next(numbers)}", self.side)

        bare = partial(bare_resize, side=self.side, shrunk=self.shrunk, encode=self.encode)

        def limit() -> None:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(bare, data))

        return partial(alone, stage), partial(alone, limit)

    def precompute(self) -> tuple[Work, Work]:
        """Activations of the plain views, and the bare forward passes."""
        views = ManyViews(self.pack, self.rows, self.size, None, 0)
        self.network.eval()

        def stage() -> None:
            for _ in precompute.features(self.network, views, 0, "precompute", self.settings):
                pass

        return stage, partial(self._forward, self.network.backbone.forward_features, 1)

    def tta(self) -> tuple[Work, Work]:
        """Predictions of five views, and as many bare forward passes."""
        which = ["", *(f"tta/{i}" for i in range(4))]
        views = ManyViews(self.pack, self.rows, self.size, SIDE_ON, 0, which)
        self.network.eval()

        def stage() -> None:
            workers = resolve_workers("auto")
            for _ in prediction.of_views(self.network, views, self.batch, workers, self.device):
                pass

        return stage, partial(self._forward, self.network.backbone.forward_features, 5)

    def _forward(self, compute: Callable[[torch.Tensor], torch.Tensor], views: int) -> None:
        x = torch.randn(self.batch, 3, self.size, self.size, device=self.device)
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), self.network.precision.autocast():
            for _ in range(self.n * views // self.batch):
                out = compute(x)
        out.sum().item()  # waits for the device

    def augment(self) -> tuple[Work, Work]:
        """An epoch of the head on augmented images, and its steps alone."""
        return self._training("head")

    def unfreeze(self) -> tuple[Work, Work]:
        """An epoch of all layers, and its steps alone."""
        return self._training("all")

    def _training(self, layers: str) -> tuple[Work, Work]:
        targets = torch.arange(self.n) % CLASSES
        views = Views(self.pack, self.rows, self.size, SIDE_ON, 0)
        workers = resolve_workers("auto")
        data = ImageData(
            views, targets, self.rows, np.arange(0), self.batch, workers, 0, self.device
        )
        shape = self.batch, self.size, self.size, 3
        pixels = torch.randint(0, 256, shape, dtype=torch.uint8).permute(0, 3, 1, 2)
        same = pixels.to(self.device), targets[: self.batch].to(self.device)

        def epoch(network: Network, batches: Callable[[], Iterator]) -> None:
            network.freeze_to(layers)
            network.train()
            learner = self._learner(network, layers)
            stepper = Stepper(learner, [1e-4] * (1 if layers == "head" else 3))
            for batch in batches():
                stepper.step(batch, 1.0)
            stepper.smoothed.sum.item()  # waits for the device

        def ours() -> Iterator:
            [(train, _)] = data.epochs(["augment/0"])
            return train

        bare = partial(itertools.repeat, same, data.steps)
        return partial(epoch, self.network, ours), partial(epoch, self.plain, bare)

    def _learner(self, network: Network, layers: str) -> Learner:
        head = list(network.head.parameters())
        return Learner(
            module=network,
            groups=[head] if layers == "head" else layer_groups(network.backbone, network.head),
            task=tasks.of("multiclass"),
            optimizer=Optimizer(
                name="sgd", momentum=0.9, weight_decay=0.0, ema=0.0, layer_decay=None
            ),
            seed=0,
            device=self.device,
        )


STAGES = ("resize", "precompute", "augment", "unfreeze", "tta")


def timed(work: Work) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@click.command()
@click.argument("stages", nargs=-1, type=click.Choice(STAGES))
@click.option("--architecture", default="efficientnet_lite0", show_default=True)
@click.option("--size", default=224, show_default=True, help="Pixels that the network sees.")
@click.option("--side", default=340, show_default=True, help="Shorter side of the pack's images.")
@click.option("--batch", default=64, show_default=True, help="Images a step.")
@click.option("--images", default=256, show_default=True)
@click.option("--width", default=500, show_default=True, help="Of the photographs, 4 : 3.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--encode/--no-encode", default=True, help="The limit of resize.", show_default=True)
@click.option("--precision", default="auto", type=click.Choice(["auto", *hardware.DTYPES]))
def main(
    stages: tuple[str, ...],
    architecture: str,
    size: int,
    side: int,
    batch: int,
    images: int,
    width: int,
    rounds: int,
    precision: str,
    encode: bool,
) -> None:
    """Print each stage's images a second, its limit's, and their ratio with its spread."""
    with TemporaryDirectory() as folder:
        path = Path(folder)
        bench = Bench(path, architecture, size, side, batch, images, width, precision, encode)
        click.echo(
            f"{architecture}, {size} px of {side}, batch {batch}, "
            f"{hardware.record(bench.network.precision)}"
        )
        for stage in stages or STAGES:
            pair = getattr(bench, stage)()
            for work in pair:
                work()
            rates = [[images / timed(work) for work in pair] for _ in range(rounds)]
            ours, limit = (statistics.median(column) for column in zip(*rates, strict=True))
            spread = sorted(a / b for a, b in rates)
            click.echo(
                f"{stage:<12}{ours:8.1f} images/s of {limit:8.1f}   ratio {ours / limit:.2f}"
                f"   ({spread[0]:.2f} to {spread[-1]:.2f}, {rounds} rounds)"
            )


if __name__ == "__main__":
    main()
