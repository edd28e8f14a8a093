"""A training from end to end, of seconds: interrupted, resumed, exported, measured, described."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from backbone.network import Backbone
from conftest import TRAINING
from safetensors import safe_open

from backbone.export import compare, export
from orchard.model import Embedder, load_model

SMALL = ("--batch", "16", "--sides", "32", "--workers", "0", "--log-every", "1", "--threads", "2",
         "--bank", "24", "--axes", "8")  # fmt: skip


SQUARE = np.zeros((1, 32, 32, 3), np.uint8)


def program(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(TRAINING.parent / "src")}
    command = [sys.executable, str(TRAINING / name), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def train(run: Path, data: Path, *more: object) -> subprocess.CompletedProcess[str]:
    folders = ("--fruit", data / "fruit", "--scenes", data / "scenes", "--cache", data / "cache")
    return program("train.py", run, *folders, *SMALL, *more)


def log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def average(run: Path) -> dict[str, torch.Tensor]:
    with safe_open(run / "checkpoint.safetensors", "pt") as file:
        return {n: file.get_tensor(n) for n in file.keys() if n.startswith("average.")}  # noqa: SIM118


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "one"
    done = train(run, data, "--steps", 6, "--teacher", "fruit", "--notice", "a test")
    assert done.returncode == 0, done.stderr
    return run


def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    finished: Path, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "two"
    stopper = f"""
import os, runpy, signal, sys
from backbone.trainer import Trainer
step = Trainer.step
def stopping(self, batch, clock, seed):
    values = step(self, batch, clock, seed)
    if clock.step == 3:
        os.kill(os.getpid(), signal.SIGTERM)
    return values
Trainer.step = stopping
sys.argv[0] = {str(TRAINING / "train.py")!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    (tmp_path / "stopper.py").write_text(
        f"import sys; sys.path.insert(0, {str(TRAINING)!r}){stopper}"
    )
    arguments = ("--steps", 6, "--teacher", "fruit", "--notice", "a test")
    folders = ("--fruit", data / "fruit", "--scenes", data / "scenes", "--cache", data / "cache")
    stopped = program(str(tmp_path / "stopper.py"), run, *folders, *SMALL, *arguments)
    assert "stopped at step 3" in stopped.stdout, stopped.stderr
    assert not (run / "backbone.onnx").exists()
    peek = program("export.py", run, "--out", tmp_path / "peek.onnx")
    assert peek.returncode == 0, peek.stderr
    assert load_model(str(tmp_path / "peek.onnx")).notice == "unfinished training, step 3"
    assert train(run, data, *arguments).returncode == 0
    assert [row["step"] for row in log(run)] == [1, 2, 3, 4, 5, 6]
    ours, theirs = average(run), average(finished)
    assert all(torch.allclose(ours[n], theirs[n], rtol=1e-4, atol=1e-5) for n in theirs)


def test_a_run_is_not_continued_with_other_settings(finished: Path, data: Path) -> None:
    done = train(finished, data, "--steps", 7, "--teacher", "fruit", "--notice", "a test")
    assert done.returncode != 0
    assert "other settings (steps)" in done.stderr


def test_two_processes_train_one_network(data: Path, tmp_path: Path) -> None:
    run, options = tmp_path / "two", ("--processes", 2, "--teacher", "fruit")
    assert train(run, data, "--steps", 3, *options).returncode == 0
    assert [row["step"] for row in log(run)] == [1, 2, 3]
    assert json.loads((run / "run.json").read_text())["result"]["images"] == 3 * 16
    assert np.isfinite(Embedder(load_model(str(run / "backbone.onnx")))(SQUARE)).all()


def test_a_training_goes_on_from_another_ones_network(
    finished: Path, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "further"
    options = ("--steps", 1, "--protocol", "all", "--rate", 1e-9, "--start", finished)
    assert train(run, data, *options).returncode == 0
    before = json.loads((finished / "run.json").read_text())["result"]["onnx"]["sha256"]
    assert json.loads((run / "run.json").read_text())["settings"]["start"] == before
    ours, theirs = average(run), average(finished)
    kernels = [name for name in theirs if name.endswith("conv.weight")]
    assert all(torch.allclose(ours[n], theirs[n], atol=1e-5) for n in kernels)
    assert program("card.py", run, "--held-out", finished).returncode == 0
    assert f"sha256 `{before[:16]}…`" in (run / "card.md").read_text()


def test_the_log_has_every_loss_and_the_curve_is_drawn(finished: Path) -> None:
    rows = log(finished)
    assert all({"variety", "scene", "species", "teacher"} <= set(row) for row in rows)
    assert all(np.isfinite(row["teacher"]) for row in rows)
    assert (finished / "curve.png").read_bytes()[:4] == b"\x89PNG"


def test_the_file_gives_orchard_pytorchs_features(tmp_path: Path) -> None:
    torch.manual_seed(1)
    backbone = Backbone().train()
    with torch.no_grad():
        for _ in range(3):  # statistics other than the initial ones
            backbone(torch.randn(4, 3, 64, 64) + 0.3)
    found = export(backbone, tmp_path / "b.onnx", size=64, name="b", notice="careful")
    assert found["bytes"] < 5_000_000
    assert found["against_pytorch"]["cosine_min"] > 0.9999
    model = load_model(str(tmp_path / "b.onnx"))
    assert (model.size, model.dim, model.name, model.notice) == (64, 1280, "b", "careful")
    other = Backbone()
    assert compare(other, tmp_path / "b.onnx", 64)["cosine_min"] < 0.99, "another network is seen"


def test_what_was_trained_runs_in_orchard_and_is_measured_and_described(
    finished: Path, data: Path, tmp_path: Path
) -> None:
    file = finished / "backbone.onnx"
    model = load_model(str(file))
    pixels = np.zeros((1, model.size, model.size, 3), np.uint8)
    assert np.isfinite(Embedder(model)(pixels)).all()
    figures = tmp_path / "figures.json"
    measured = program(
        "evaluate.py", "--model", file, "--fruit", data / "fruit", "--scenes", data / "scenes",
        "--cache", tmp_path, "--components", "0.95", "--out", figures,
    )  # fmt: skip
    assert measured.returncode == 0, measured.stderr
    found = json.loads(figures.read_text())["figures"]
    assert found["axis"]["0.95"]["asked"] == 32
    assert found["grocery"]["0.95"]["asked"] == 6
    assert list(found["varieties"]["0.95"]["by_variety"]) == ["Apple Golden 1"]
    speed = tmp_path / "speed.json"
    timed = program("speed.py", "--model", file, "--against", file, "--turns", 1, "--out", speed)
    assert timed.returncode == 0, timed.stderr
    measures = ("--figures", figures, "--baseline", figures, "--speed", speed)
    described = program("card.py", finished, *measures)
    assert described.returncode == 0, described.stderr
    card = json.loads((finished / "card.json").read_text())
    assert card["file"]["sha256"] == model.weights_sha256
    assert card["notice"] == "a test"
    assert card["speed"]["ratio"] > 0
    text = (finished / "card.md").read_text()
    assert f"{found['axis']['0.95']['top1']:.3f}" in text


def test_figures_of_another_network_are_refused(finished: Path, tmp_path: Path) -> None:
    wrong = {"network": {"name": "x", "sha256": "0", "size": 96}, "figures": {}}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    done = program("card.py", finished, "--figures", tmp_path / "wrong.json")
    assert done.returncode != 0
    assert "not of the network" in done.stderr
