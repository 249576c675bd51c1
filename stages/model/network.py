"""The network: a timm backbone without its classifier, pooled, and fastai's head."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from contextlib import suppress

import torch
from torch import nn

from stages.base.errors import UserError
from stages.model import folding
from stages.model.hardware import Precision, resolve_precision, train_depthwise_in_fp32

INTERPOLATED = {"dynamic_img_size": True}  # a transformer's positions, for any number of patches
PADDED = INTERPOLATED | {"dynamic_img_pad": True}  # and the last patches with zeros, for any size
IMAGES = 4  # dimensions of a batch of images, and of a convolution's weights


class Pool(nn.Module):
    """Feature map (N, C, H, W) to vector: max and average side by side (fastai), or one of them."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 2C) for concat, max first as fastai's AdaptiveConcatPool2d; else (N, C)."""
        if self.kind == "avg":
            return x.mean(dim=(2, 3))
        if self.kind == "max":
            return x.amax(dim=(2, 3))
        return torch.cat([x.amax(dim=(2, 3)), x.mean(dim=(2, 3))], dim=1)

    def width(self, channels: int) -> int:
        """Length of the vector."""
        return channels * (2 if self.kind == "concat" else 1)


def build_head(
    features: int, outputs: int, hidden: Sequence[int], dropout: Sequence[float]
) -> nn.Sequential:
    """Fastai's head: BatchNorm, Dropout, Linear, with a ReLU after each hidden layer.

    For (4096, 120, [512], [0.25, 0.5]): BN 8,192 parameters, Linear 2,097,664, BN 1,024,
    Linear 61,560. A dropout of 0 leaves its layer out. Linear weights are drawn from Kaiming's
    normal distribution with std sqrt(2 / inputs) (He 2015), biases are 0; torch's global random
    state decides. The outputs are raw: the task's loss holds the softmax or sigmoid.
    """
    widths = [features, *hidden, outputs]
    layers: list[nn.Module] = []
    for i, p in enumerate(dropout):
        layers += [nn.BatchNorm1d(widths[i]), *([nn.Dropout(p)] if p else [])]
        layers += [nn.Linear(widths[i], widths[i + 1])]
        layers += [nn.ReLU()] if i < len(hidden) else []
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def build_backbone(architecture: str) -> nn.Module:
    """A timm architecture without its classifier, its weights random.

    Raises:
        UserError: timm does not know the name.

    """
    import timm  # seconds, with torchvision behind it, that training the head alone does without

    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=1)
        hint = f"; did you mean {near[0]}?" if near else ", see timm.list_models()."
        raise UserError(f"model.architecture: timm knows no {architecture!r}{hint}")
    for sizes in (PADDED, INTERPOLATED):
        with suppress(TypeError):  # an architecture without such an option
            return timm.create_model(architecture, num_classes=0, **sizes)
    return timm.create_model(architecture, num_classes=0)


def check_size(architecture: str, size: int) -> None:
    """Try, without computing anything, whether an architecture takes images of `size` pixels.

    Raises:
        UserError: it does not, or timm does not know it.

    """
    with torch.device("meta"):
        backbone = build_backbone(architecture).eval()
        try:
            seen = backbone.forward_features(torch.empty(1, 3, size, size))
            why = "" if isinstance(seen, torch.Tensor) else "it leaves several maps, one is pooled"
        except Exception as error:  # noqa: BLE001  each architecture fails in its own way
            why = str(error).split("\n")[0].rstrip(".")
    if why:
        raise UserError(
            f"model.architecture: {architecture} cannot take images of {size} pixels ({why}); "
            "choose another image_size, or another architecture."
        )


def channels_last(backbone: nn.Module) -> nn.Module:
    """The backbone with its weights of images in the order in which a CPU and a GPU are fastest.

    `nn.Module.to` refuses networks that also have weights of five dimensions (lambda layers).
    """
    for tensor in backbone.parameters():
        if tensor.dim() == IMAGES:
            tensor.data = tensor.data.to(memory_format=torch.channels_last)
    return backbone


class Network(nn.Module):
    """From pixels, uint8 (N, 3, H, W), to raw outputs (N, C).

    Normalisation is a part of the network, and the head runs in fp32 whatever the backbone's
    precision, so that precomputed activations and the whole network agree.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        pool: str,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.backbone = channels_last(backbone)
        self.head = head
        self.pool = Pool(pool)
        self.precision = Precision(torch.device("cpu"))
        self.layers = "head"
        self.freeze_batchnorm = False
        self._folded: list[nn.Module] = []  # a faster copy of the backbone, once it is needed
        self.register_buffer("scale", 1 / (255 * torch.tensor(std)), False)
        self.register_buffer("shift", torch.tensor(mean) / torch.tensor(std), False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Raw outputs (N, C)."""
        return self.head(self.features(pixels))

    @property
    def width(self) -> int:
        """Length of the pooled activations."""
        return self.pool.width(self.backbone.num_features)

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pooled activations (N, F), fp32; without a graph unless the backbone is trained."""
        return self.pool(self.feature_map(pixels))

    def feature_map(self, pixels: torch.Tensor) -> torch.Tensor:
        """The last map before pooling, fp32 (N, C, H, W); of tokens (N, C, T, 1).

        Raises:
            UserError: the architecture is not made for images of this size.

        """
        try:
            return self._feature_map(pixels)
        except Exception:
            check_size(self.backbone.pretrained_cfg["architecture"], pixels.shape[-1])
            raise

    def _feature_map(self, pixels: torch.Tensor) -> torch.Tensor:
        learns = self.layers == "all" and self.training
        if learns:
            self._folded.clear()  # a step follows
        inputs = self._normalised(pixels)
        body = self.backbone if learns else self._frozen(inputs)
        with torch.set_grad_enabled(learns), self.precision.autocast():
            features = body.forward_features(inputs)
        return self._as_map(features).float()

    def _frozen(self, inputs: torch.Tensor) -> nn.Module:
        """The backbone as it is until it is trained or gets other weights."""
        if not self._folded:
            self._folded.append(folding.folded(self.backbone, inputs[:1]))
        return self._folded[0]

    def _normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """Fp32 (N, 3, H, W), channels last.

        In whole rows of 3 W numbers: channel by channel it took a tenth of the network's time.
        """
        n, _, h, w = pixels.shape
        rows = pixels.permute(0, 2, 3, 1).reshape(n, h, 3 * w).float()
        rows = rows.mul_(self.scale.repeat(w)).sub_(self.shift.repeat(w))
        return rows.view(n, h, w, 3).permute(0, 3, 1, 2)

    def _as_map(self, features: torch.Tensor) -> torch.Tensor:
        """Any timm feature layout as (N, C, H, W); class tokens are left out."""
        if features.dim() == 3:
            tokens = features[:, getattr(self.backbone, "num_prefix_tokens", 0) :]
            return tokens.transpose(1, 2).unsqueeze(-1)
        if getattr(self.backbone, "output_fmt", None) == "NHWC":
            return features.permute(0, 3, 1, 2)
        return features

    def place(self, device: torch.device, precision: str) -> Network:
        """Move to a device and resolve the precision for it."""
        self._folded.clear()
        self.precision = resolve_precision(precision, device)
        if device.type == "cpu":
            train_depthwise_in_fp32(self.backbone)
        return self.to(device)

    def load_backbone(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Give the backbone other weights."""
        self._folded.clear()
        self.backbone.load_state_dict(tensors)

    def freeze_to(self, layers: str) -> None:
        """Train the `head` alone, or `all` layers."""
        self.layers = layers
        self.backbone.requires_grad_(layers == "all")

    def train(self, mode: bool = True) -> Network:
        """Training mode; frozen BatchNorm keeps its pretrained statistics, as in fastai 0.7."""
        super().train(mode)
        if self.layers == "head":
            self.backbone.eval()
        elif self.freeze_batchnorm:
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self
