"""One training: batches in, a student and the running average of its weights out."""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from backbone import checkpoint
from backbone.mixing import Mix, cross_entropy, cut_mix, unmixed
from backbone.network import Student
from backbone.schedule import Clock, rate
from backbone.team import Team

AVERAGE = 0.999  # decay of the running average, reached after some 10,000 steps
SMOOTHING = {"scene": 0.1}  # elsewhere it would cost what unseen varieties are told apart by
HEADS = 0.1  # of the learning rate: a step of 1280 inputs moves an output far
TEACHER = 0.02  # the same of the head that regresses: it has no softmax to bound what is too far
CHECKPOINT = "checkpoint.safetensors"
WEIGHTS = {"variety": 1.0, "scene": 1.0, "species": 0.5}  # of the losses


@dataclass(frozen=True, slots=True)
class Settings:
    """peak: learning rate. mix: share of the batches that CutMix changes. teacher: weight of its
    loss beside those of the labels. precision: of the network's arithmetic, "float32" or
    "bfloat16"; weights stay float32. save_every: seconds."""

    peak: float = 2e-3
    decay: float = 0.05
    mix: float = 0.5
    teacher: float = 6.0
    precision: str = "float32"
    save_every: float = 120.0


class Trainer:
    def __init__(
        self,
        student: Student,
        targets: Tensor | None,
        settings: Settings,
        folder: Path,
        team: Team | None = None,
    ) -> None:
        """targets: (n, k) of the teacher, one row a picture of the bank."""
        self.team = team or Team()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.settings, self.folder = settings, folder
        self.student = student.to(self.device, memory_format=torch.channels_last).train()
        self.average = copy.deepcopy(self.student).requires_grad_(False)
        self.targets = None if targets is None else targets.to(self.device)
        self.spread = None if self.targets is None else self.targets.float().std(dim=0)
        self.optimizer = torch.optim.AdamW(
            _groups(self.student, settings.decay), lr=settings.peak, betas=(0.9, 0.98), fused=True
        )

    @property
    def saved(self) -> Path:
        return self.folder / CHECKPOINT

    def resume(self, clock: Clock) -> None:
        """Go on where the checkpoint stands, if there is one."""
        if self.saved.exists():
            state = checkpoint.load(self.saved, self.student, self.average, self.optimizer)
            clock.step, clock.elapsed = state["step"], state["seconds"]
            clock.seconds = clock.elapsed

    def save(self, clock: Clock) -> None:
        state = {"step": clock.step, "seconds": clock.seconds}
        checkpoint.save(self.saved, self.student, self.average, self.optimizer, state)

    def step(self, batch: Mapping[str, Tensor], clock: Clock, seed: int) -> dict[str, Tensor]:
        """One update; returns each loss and the share of right answers, still on the device."""
        torch.manual_seed(
            hash((seed, clock.step, self.team.rank))
        )  # dropout, the same after a resume
        learning_rate = rate(clock.progress, self.settings.peak)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["share"]
        batch = {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}
        mix = self._mix(batch, random.Random(f"mix {seed} {clock.step}"))
        with self._autocast():
            answers = self.student(_planes(batch["pixels"]))
        losses = self._losses(answers, batch, mix)
        weights = WEIGHTS | {"teacher": self.settings.teacher}
        total = sum(weights[name] * loss for name, loss in losses.items())
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.team.average(self.student.parameters())
        nn.utils.clip_grad_norm_(self.student.parameters(), 5.0)
        self.optimizer.step()
        clock.step += 1
        self._follow(clock.step)
        right = {f"{name}_right": value for name, value in _right(answers, batch, mix).items()}
        return {name: loss.detach() for name, loss in losses.items()} | right

    def _mix(self, batch: Mapping[str, Tensor], rng: random.Random) -> Mix:
        """Mixes the pictures drawn anew; the teacher's answers are of whole pictures."""
        pixels = batch["pixels"]
        if rng.random() >= self.settings.mix:
            return unmixed(len(pixels), pixels.device)
        return cut_mix(pixels, int((batch["teacher"] >= 0).sum()), rng)

    def _losses(
        self, answers: Mapping[str, Tensor], batch: Mapping[str, Tensor], mix: Mix
    ) -> dict[str, Tensor]:
        losses = {}
        for name, answer in answers.items():
            if name == "teacher":
                assert self.targets is not None
                assert self.spread is not None
                known = batch[name] >= 0
                target = self.targets[batch[name][known]].float()
                guess = answer[known].float() * self.spread  # so that each output is of size 1
                losses[name] = (guess - target).square().sum(dim=1).mean()
                continue
            loss = cross_entropy(answer.float(), batch[name], mix, SMOOTHING.get(name, 0.0))
            if loss is not None:
                losses[name] = loss
        return losses

    @torch.no_grad()
    def _follow(self, step: int) -> None:
        """Move the average toward the student; quickly at first, when the student is poor."""
        share = 1 - min(AVERAGE, (1 + step) / (10 + step))
        ours, theirs = _floats(self.average), _floats(self.student)
        torch._foreach_lerp_(ours, theirs, share)

    def _autocast(self) -> AbstractContextManager[Any]:
        half = self.settings.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)


class Log:
    """JSON lines: means over the steps since the last line."""

    def __init__(self, file: Path, every: int) -> None:
        self.file, self.every = file, every
        self._sums: dict[str, list[Tensor]] = {}
        self._began, self._waited, self._images = time.monotonic(), 0.0, 0

    def cut(self, step: int) -> None:
        """Drop the lines after `step`: that work was lost and is done again."""
        if self.file.exists():
            lines = self.file.read_text().splitlines()
            kept = [line for line in lines if json.loads(line)["step"] <= step]
            self.file.write_text("".join(f"{line}\n" for line in kept))

    def waiting(self, batches: Iterator[dict[str, Tensor]]) -> dict[str, Tensor]:
        began = time.monotonic()
        batch = next(batches)
        self._waited += time.monotonic() - began
        return batch

    def add(self, clock: Clock, values: Mapping[str, Tensor], images: int, side: int) -> None:
        for name, value in values.items():
            self._sums.setdefault(name, []).append(value)
        self._images += images
        if clock.step % self.every and clock.progress < 1:
            return
        seconds = time.monotonic() - self._began
        row = {"step": clock.step, "progress": round(clock.progress, 5), "side": side,
               "seconds": round(clock.seconds, 1),
               "images_per_second": round(self._images / seconds, 1),
               "waited": round(self._waited / seconds, 3)}  # fmt: skip
        row |= {name: round(float(torch.stack(v).mean()), 5) for name, v in self._sums.items()}
        with self.file.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
        self._sums, self._images, self._waited = {}, 0, 0.0
        self._began = time.monotonic()


def _planes(pixels: Tensor) -> Tensor:
    """(n, side, side, 3) uint8 → (n, 3, side, side) in [−1, 1], channels last in memory."""
    return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def _groups(student: Student, decay: float) -> list[dict[str, Any]]:
    """Kernels decay; norms and biases do not. share: of the learning rate."""
    kernels = [p for p in student.backbone.parameters() if p.ndim > 1]
    rest = [p for p in student.backbone.parameters() if p.ndim <= 1]
    return [
        {"params": kernels, "weight_decay": decay, "share": 1.0},
        {"params": rest, "weight_decay": 0.0, "share": 1.0},
        *(
            {
                "params": list(head.parameters()),
                "weight_decay": decay,
                "share": TEACHER if name == "teacher" else HEADS,
            }
            for name, head in student.heads.items()
        ),
    ]


def _floats(module: nn.Module) -> list[Tensor]:
    return [value for value in module.state_dict().values() if value.is_floating_point()]


def _right(
    answers: Mapping[str, Tensor], batch: Mapping[str, Tensor], mix: Mix
) -> dict[str, Tensor]:
    """Of the pictures that are mostly their own."""
    found = {}
    for name, answer in answers.items():
        known = (batch[name] >= 0) & (mix.share > 0.5)
        if name != "teacher" and known.any():
            found[name] = (answer[known].argmax(dim=1) == batch[name][known]).float().mean()
    return found
