"""MobileNetV2 1.0 in PyTorch, built from the same table as the graph that the package runs.

`orchard.model.mobilenet_v2.architecture` names every layer, so what is learnt here has Keras's
names and shapes and goes through the package's own builder to ONNX. Initial values are
random: no weight of another network is read anywhere in this module.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from orchard.model import mobilenet_v2
from orchard.model.mobilenet_v2 import DIM, Block, ConvBN


class Backbone(nn.Module):
    """(n, 3, side, side) float in [−1, 1] → features (n, 1280) float32."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(block) for block in mobilenet_v2.architecture())

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x.float().mean(dim=(2, 3))

    def keras_weights(self) -> dict[str, NDArray[np.float32]]:
        """What `orchard.model.mobilenet_v2.build` takes."""
        weights: dict[str, NDArray[np.float32]] = {}
        for block in self.blocks:
            for conv in block.convs:
                weights |= conv.keras_weights()
        return weights


class Student(nn.Module):
    """The backbone with one linear head for each thing it is taught.

    heads: name → number of outputs, all zero at first. They read standardised features, as a user's
    chain does. Only label heads see dropout.
    """

    def __init__(self, heads: Mapping[str, int], dropout: float = 0.2) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.heads = nn.ModuleDict({name: nn.Linear(DIM, n) for name, n in heads.items()})
        for head in self.heads.values():
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.standardise = nn.BatchNorm1d(DIM, affine=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.standardise(self.backbone(x))
        dropped = self.dropout(features)
        return {
            name: head(features if name == "teacher" else dropped)
            for name, head in self.heads.items()
        }


class _Block(nn.Module):
    def __init__(self, block: Block) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_ConvBN(conv) for conv in block.convs)
        self.residual = block.residual

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv in self.convs:
            y = conv(y)
        return x + y if self.residual else y


class _ConvBN(nn.Module):
    def __init__(self, spec: ConvBN) -> None:
        super().__init__()
        self.spec = spec
        height, _, fan, out = spec.kernel
        groups, out = (fan, fan) if spec.depthwise else (1, out)
        inside = height // 2 if spec.stride == 1 else 0  # stride 2 is padded by its side, below
        self.conv = nn.Conv2d(
            fan, out, height, spec.stride, padding=inside, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(out, eps=mobilenet_v2.BN_EPSILON)
        gain = "linear" if spec.linear else "relu"
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_in", nonlinearity=gain)

    def forward(self, x: Tensor) -> Tensor:
        if self.spec.stride == 2:
            before, after = mobilenet_v2.padding(self.spec, x.shape[-1])
            x = F.pad(x, (before, after, before, after))
        x = self.norm(self._convolved(x))
        return x if self.spec.linear else F.relu6(x, inplace=True)

    def _convolved(self, x: Tensor) -> Tensor:
        """In float32 where a CPU's bfloat16 is slow: oneDNN has no gradient of its own for strided
        and for very small depthwise convolutions, which then take three quarters of a step."""
        slow = self.spec.depthwise and (self.spec.stride == 2 or x.shape[-1] <= 4)
        if not slow or x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            convolved: Tensor = self.conv(x)
            return convolved
        with torch.autocast("cpu", enabled=False):
            return self.conv(x.float()).to(torch.bfloat16)

    def keras_weights(self) -> dict[str, NDArray[np.float32]]:
        order = (2, 3, 0, 1) if self.spec.depthwise else (2, 3, 1, 0)
        values = (
            self.conv.weight.permute(order),
            self.norm.weight,
            self.norm.bias,
            self.norm.running_mean,
            self.norm.running_var,
        )
        named = zip(self.spec.shapes, values, strict=True)
        return {name: _array(value) for name, value in named}


def _array(value: Tensor | None) -> NDArray[np.float32]:
    assert value is not None
    array: NDArray[np.float32] = value.detach().cpu().to(torch.float32).contiguous().numpy()
    return array
