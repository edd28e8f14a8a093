"""Processes that train one network together: each on its share of a batch, gradients averaged.

A step of MobileNetV2 is many small operations, which two threads do little faster than one.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import distributed, nn


class Team:
    """rank: 0 leads, it keeps the time, the log and the checkpoint. size: processes.

    meeting: a file that does not exist yet, where several processes find each other.
    """

    def __init__(self, rank: int = 0, size: int = 1, meeting: Path | None = None) -> None:
        self.rank, self.size = rank, size
        if size > 1:
            address = f"file://{meeting}"
            distributed.init_process_group("gloo", address, rank=rank, world_size=size)

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give all the mean of their gradients; of a loss that one of them had not, zeros count."""
        if self.size == 1:
            return
        parameters = list(parameters)
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
        distributed.all_reduce(flat)
        flat /= self.size
        parts = flat.split([parameter.numel() for parameter in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad.copy_(part.view_as(parameter))

    def agree(self, *values: float) -> list[float]:
        """The leader's values."""
        if self.size == 1:
            return list(values)
        shared = torch.tensor(values, dtype=torch.float64)
        distributed.broadcast(shared, 0)
        return shared.tolist()

    def leave(self) -> None:
        if self.size > 1:
            distributed.destroy_process_group()
