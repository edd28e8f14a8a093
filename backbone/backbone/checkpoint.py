"""All of a training in one safetensors file, replaced whole; nothing in it can run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from backbone.network import Backbone


def save(
    path: Path,
    student: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    state: dict[str, Any],
) -> None:
    """state: plain JSON (step, seconds), kept in the file's header."""
    tensors = _named("student", student) | _named("average", average)
    for i, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state[parameter].items():
            tensors[f"optimizer.{i}.{name}"] = value
    part = path.with_name(f"{path.name}.part")
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(plain, part, {"state": json.dumps(state)})
    part.replace(path)


def load(
    path: Path, student: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Put what `save` wrote back in place; returns its state."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state: dict[str, Any] = json.loads(file.metadata()["state"])
    for prefix, module in (("student", student), ("average", average)):
        start = len(prefix) + 1
        own = {k[start:]: v for k, v in tensors.items() if k.startswith(f"{prefix}.")}
        module.load_state_dict(own)
    for i, parameter in enumerate(_parameters(optimizer)):
        names = [n for n in tensors if n.startswith(f"optimizer.{i}.")]
        values = {n.rsplit(".", 1)[-1]: tensors[n] for n in names}
        optimizer.state[parameter] = {
            name: value.to(parameter.device)
            if name == "step"
            else torch.empty_like(parameter).copy_(value)
            for name, value in values.items()  # in the parameter's own memory format
        }
    return state


def averaged_backbone(path: Path) -> tuple[Backbone, dict[str, Any]]:
    """The average's backbone alone, and the state."""
    prefix = "average.backbone."
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        backbone = Backbone()
        backbone.load_state_dict({n.removeprefix(prefix): file.get_tensor(n) for n in names})
        return backbone, json.loads(file.metadata()["state"])


def _named(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in module.state_dict().items()}


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
