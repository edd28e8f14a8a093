"""Train the backbone from random initial values; the same command goes on after an interruption.

    python backbone/train.py RUN --fruit DIR --scenes DIR --teacher imagenet --hours 3

RUN then holds run.json (the settings), log.jsonl, curve.png, checkpoint.safetensors and, once the
budget is spent, backbone.onnx. Ctrl-C and SIGTERM save and stop; a kill loses two minutes at most.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import torch
import torch.multiprocessing
from backbone.bank import Bank, open_bank, targets
from backbone.batches import Batches, Classes, loader
from backbone.checkpoint import averaged_backbone
from backbone.compose import Composer
from backbone.curve import draw
from backbone.network import Student
from backbone.options import add_data, photos_of
from backbone.record import finished, summary
from backbone.schedule import Clock, side_at
from backbone.team import Team
from backbone.trainer import CHECKPOINT, Log, Settings, Trainer

from backbone.export import export


def main() -> None:
    arguments = _parse()
    _claim(arguments.run, arguments)
    if arguments.processes == 1:
        _work(0, arguments, None)
        return
    _bank(arguments, Composer(photos_of(arguments)))  # once, for all
    with TemporaryDirectory() as folder:
        processes = torch.multiprocessing.start_processes(
            _work, (arguments, Path(folder) / "meeting"), arguments.processes, join=False,
            start_method="spawn",
        )  # fmt: skip
        leader = processes.pids()[0]
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all of them
        signal.signal(signal.SIGTERM, lambda *_: os.kill(leader, signal.SIGTERM))
        while not processes.join():
            pass


def _work(rank: int, arguments: argparse.Namespace, meeting: Path | None) -> None:
    """One process of the team."""
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(max(1, arguments.threads // arguments.processes))
    team = Team(rank, arguments.processes, meeting)
    photos = photos_of(arguments)
    composer, classes = Composer(photos), Classes.of(photos)
    bank = _bank(arguments, composer)
    student = Student(_heads(classes, arguments, bank))
    if arguments.start:
        student.backbone = averaged_backbone(arguments.start / CHECKPOINT)[0]
    answers = None if bank is None else torch.from_numpy(targets(bank.features, arguments.axes))
    settings = Settings(
        peak=arguments.rate, mix=arguments.mix, teacher=arguments.teacher_weight,
        precision=arguments.precision,
    )  # fmt: skip
    trainer = Trainer(student, answers, settings, arguments.run, team)
    clock = Clock(arguments.steps, arguments.hours)
    trainer.resume(clock)
    if team.leads:
        seen = len(photos.fruit_seen), len(photos.scenes_seen)
        _record(arguments.run, arguments, trainer, classes, *seen)
    share = arguments.batch // team.size
    batches = Batches(composer, classes, bank, share, arguments.share, arguments.seed)
    _train(trainer, batches, clock, arguments)
    team.leave()
    if team.leads and clock.progress >= 1:
        _finish(trainer, clock, arguments)


def _train(trainer: Trainer, batches: Batches, clock: Clock, arguments: argparse.Namespace) -> None:
    """Until the budget is spent or someone stops it."""
    stop, team = _Stop(), trainer.team
    log = Log(arguments.run / "log.jsonl", arguments.log_every)

    def side(number: int) -> int:
        return side_at(clock.progress_at(number), arguments.sides)

    def goes_on() -> bool:
        clock.seconds, asked = team.agree(clock.read(), stop.asked)
        return clock.progress < 1 and not asked

    source = loader(batches, clock.step, side, arguments.workers, team)
    saved = clock.seconds
    if team.leads:
        log.cut(clock.step)
    while goes_on():
        batch = log.waiting(source)
        values = trainer.step(batch, clock, arguments.seed)
        if not team.leads:
            continue
        log.add(clock, values, len(batch["pixels"]) * team.size, batch["pixels"].shape[1])
        if clock.seconds - saved > trainer.settings.save_every:
            trainer.save(clock)
            saved = clock.seconds
    if team.leads:
        _leave_off(trainer, clock, log)


def _leave_off(trainer: Trainer, clock: Clock, log: Log) -> None:
    trainer.save(clock)
    if log.file.exists():
        draw(log.file, trainer.folder / "curve.png")
    if clock.progress < 1:
        print(f"stopped at step {clock.step}; the same command goes on from there", flush=True)


def _finish(trainer: Trainer, clock: Clock, arguments: argparse.Namespace) -> None:
    """The averaged weights as ONNX, and what became of the training in run.json."""
    file = arguments.run / "backbone.onnx"
    found = export(
        trainer.average.backbone, file, size=arguments.sides[-1], name=arguments.name,
        notice=arguments.notice,
    )  # fmt: skip
    run = json.loads((arguments.run / "run.json").read_text())
    run["result"] = {"steps": clock.step, "images": clock.step * arguments.batch,
                     "seconds": round(clock.seconds, 1), "onnx": found}  # fmt: skip
    (arguments.run / "run.json").write_text(json.dumps(run, indent=1) + "\n")
    print(json.dumps(run["result"]), flush=True)


class _Stop:
    """Whether Ctrl-C or SIGTERM came: the step under way is finished and saved."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


def _bank(arguments: argparse.Namespace, composer: Composer) -> Bank | None:
    if not arguments.teacher:
        return None
    return open_bank(
        composer, arguments.teacher, arguments.bank, arguments.cache, arguments.seed,
        arguments.threads,
    )  # fmt: skip


def _heads(classes: Classes, arguments: argparse.Namespace, bank: Bank | None) -> dict[str, int]:
    heads = {name: len(names) for name, names in asdict(classes).items()}
    return heads if bank is None else heads | {"teacher": arguments.axes}


def _claim(run: Path, arguments: argparse.Namespace) -> None:
    """Refuse to go on with other settings than those the run began with."""
    run.mkdir(parents=True, exist_ok=True)
    file = run / "run.json"
    if not file.exists():
        return
    before, now = json.loads(file.read_text())["settings"], _settings(arguments)
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        raise SystemExit(
            f"{run} was begun with other settings ({', '.join(changed)}): name another folder"
        )


_FREE = ("run", "threads", "workers", "log_every", "cache", "fruit", "scenes")  # may change


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    kept = {k: v for k, v in vars(arguments).items() if k not in _FREE}
    if arguments.teacher:
        kept["teacher"] = Path(arguments.teacher).name
    if arguments.start:
        kept["start"] = finished(arguments.start)["result"]["onnx"]["sha256"]
    return json.loads(json.dumps(kept, default=str))


def _record(
    run: Path, arguments: argparse.Namespace, trainer: Trainer, classes: Classes, *seen: int
) -> None:
    record = {
        "settings": _settings(arguments),
        "optimisation": asdict(trainer.settings),
        "classes": {name: list(names) for name, names in asdict(classes).items()},
        "before": _before(arguments.start),
        "photos_seen": dict(zip(("fruit", "scenes"), seen, strict=True)),
        "machine": {"torch": torch.__version__, "python": platform.python_version(),
                    "device": trainer.device.type, "threads": torch.get_num_threads()},
    }  # fmt: skip
    (run / "run.json").write_text(json.dumps(record, indent=1) + "\n")


def _before(start: Path | None) -> list[dict[str, Any]]:
    """The trainings that this one goes on from, the first of all first."""
    if start is None:
        return []
    record = finished(start)
    return [*record.get("before", []), summary(record)]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cores = os.cpu_count() or 2
    add_data(parser)
    add = parser.add_argument
    add("run", type=Path, help="a folder for this training")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--hours", type=float, help="train for so long, interruptions left out")
    budget.add_argument("--steps", type=int, help="train for so many steps (reproducible)")
    add("--start", type=Path, metavar="RUN", help="go on from this training's network")
    add("--teacher", metavar="WEIGHTS", help="whose outputs to learn too: imagenet, or a .h5 file")
    add("--bank", type=int, default=60_000, help="pictures shown to the teacher")
    add("--share", type=float, default=0.4, help="of each batch, from those pictures")
    add("--teacher-weight", type=float, default=6.0, help="of that loss beside those of the labels")
    add("--axes", type=int, default=256, help="principal axes of the teacher's features to learn")
    add("--batch", type=int, default=128)
    add("--sides", type=_sides, default=(64, 80, 96), help="of the pictures: from early to final")
    add("--mix", type=float, default=0.5, help="share of the batches that CutMix changes")
    add("--rate", type=float, default=2e-3, help="the highest learning rate")
    add("--precision", choices=("float32", "bfloat16"),
        default="bfloat16" if torch.cuda.is_available() else "float32")  # fmt: skip
    add("--threads", type=int, default=min(cores, 8), help="of all processes together")
    add("--processes", type=int, default=1, help="that share each batch; 1 on a GPU")
    add(
        "--workers",
        type=int,
        default=0 if cores <= 2 else cores - 2,
        help="processes that draw pictures; 0: who trains draws them",
    )
    add("--log-every", type=int, default=50, metavar="STEPS")
    add("--name", default="fruit")
    add("--notice", help="what Orchard must say wherever results of this network are shown")
    return parser.parse_args()


def _sides(text: str) -> tuple[int, ...]:
    return tuple(int(side) for side in text.split(","))


if __name__ == "__main__":
    main()
