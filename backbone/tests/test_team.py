"""Processes that train together compute one gradient and keep one time."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.multiprocessing
from backbone.team import Team
from torch import nn


def member(rank: int, meeting: Path, found: Path) -> None:
    team = Team(rank, 2, meeting)
    whole, lost = nn.Linear(3, 2), nn.Linear(2, 2)
    nn.init.ones_(whole.weight)
    (whole(torch.full((1, 3), 1.0 + rank)).sum()).backward()
    if team.leads:
        lost(torch.ones(1, 2)).sum().backward()
    team.average([*whole.parameters(), *lost.parameters()])
    gradients = [p.grad for p in (*whole.parameters(), *lost.parameters())]
    torch.save([*gradients, torch.tensor(team.agree(10.0 + rank, rank))], found / str(rank))
    team.leave()


def test_gradients_are_averaged_and_the_leader_is_agreed_with(tmp_path: Path) -> None:
    torch.multiprocessing.start_processes(
        member, (tmp_path / "meeting", tmp_path), 2, start_method="spawn"
    )
    first, second = (torch.load(tmp_path / str(rank), weights_only=True) for rank in (0, 1))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(first, second, strict=True))
    weight, bias, half, _, agreed = first
    assert torch.equal(weight, torch.full((2, 3), 1.5))
    assert torch.equal(bias, torch.ones(2))
    assert torch.equal(half, torch.full((2, 2), 0.5)), "who has no such loss counts as zero"
    assert agreed.tolist() == [10, 0]


def test_who_is_alone_changes_nothing() -> None:
    layer = nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    Team().average(layer.parameters())
    assert torch.equal(layer.weight.grad, torch.ones(1, 2))
    assert Team().agree(3.0, 1.0) == [3.0, 1.0]
