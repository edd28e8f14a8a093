"""Whatever file of a result is damaged: the same answer as before, or one sentence and its code."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from result.damages import KINDS, NOT_NOTICED, Commands, files_of, named

import orchard
from orchard.store.erase import erase
from orchard.store.output import Output
from orchard.training import TrainConfig, train

CODES = {5, 10}  # OUTPUT cannot be read; no such classifier can be loaded
QUICK = ("export", "nearest")
FAST = (*QUICK, "compare", "privacy", "vacuum", "predict", "optimize", "models")
SLOW = ("report", "run", "train")  # a second or more each: of fewer kinds of damage
SLOW_KINDS = ("flipped in the middle", "cut", "a list", "wrong fields")


@pytest.fixture(scope="session")
def fruit(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some rendered fruit of six classes, and a file that is none."""
    folder = tmp_path_factory.mktemp("fruit") / "in"
    classes = sorted(path for path in rendered.iterdir() if path.is_dir())[:6]
    for path in classes:
        shutil.copytree(path, folder / path.name)
    (folder / classes[0].name / "no picture.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="session")
def whole(
    run: Callable[..., orchard.Result], fruit: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A result with every kind of file: a classifier, an erased image, two runs."""
    output = tmp_path_factory.mktemp("damaged") / "whole"
    run(fruit, output, size=48, components=10)
    first = min(str(path) for path in fruit.rglob("*_0_*.*") or fruit.rglob("*.jpg"))
    erase(Output.at(output), [first])
    run(fruit, output, size=48, components=10)
    train(TrainConfig(output=str(output), kind="logistic", folds=2))
    orchard.open(output)
    return output


@pytest.fixture
def commands(whole: Path, fruit: Path, tmp_path: Path) -> Commands:
    image = max(path for path in fruit.rglob("*.*") if path.name != "no picture.jpg")
    return Commands(whole, fruit, image, tmp_path / "exported")


@pytest.fixture(scope="session")
def expected() -> dict[str, Any]:
    """The answers of the whole result, by command."""
    return {}


def hold(
    commands: Commands, expected: dict[str, Any], names: tuple[str, ...], copy: Path, kind: str
) -> list[str]:
    """What is wrong with each file damaged in that way, for the commands of those names."""
    faults = []
    for name in names:
        if name not in expected:
            shutil.copytree(commands.whole, copy)
            expected[name] = getattr(commands, name)(copy)
            shutil.rmtree(copy)
            assert expected[name][0] == 0, expected[name]
    for file in files_of(commands.whole):
        damage = KINDS[kind]((commands.whole / file).read_bytes() or b"\0")
        for name in names:
            shutil.copytree(commands.whole, copy)
            (copy / file).unlink()
            if damage is not None:
                (copy / file).write_bytes(damage)
            try:
                code, answer = getattr(commands, name)(copy)
            except Exception as error:
                cause = error.__cause__ or error
                faults.append(f"{name}: {named(file)}: {type(cause).__name__}: {cause}")
                continue
            finally:
                shutil.rmtree(copy)
            if code not in {0, *CODES}:
                faults.append(f"{name}: {named(file)}: code {code}: {answer}")
            elif code == 0 and kind not in NOT_NOTICED and answer != expected[name][1]:
                faults.append(f"{name}: {named(file)}: another answer")
    return faults


@pytest.mark.parametrize("kind", ["flipped in the middle", "wrong fields"])
def test_a_damaged_file_is_told_in_a_sentence(
    commands: Commands, expected: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    assert hold(commands, expected, QUICK, tmp_path / "copy", kind) == []


@pytest.mark.damage
@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in FAST for kind in KINDS]
    + [(name, kind) for name in SLOW for kind in SLOW_KINDS],
)
def test_every_command_on_every_damaged_file(
    commands: Commands, expected: dict[str, Any], tmp_path: Path, kind: str, name: str
) -> None:
    assert hold(commands, expected, (name,), tmp_path / "copy", kind) == []
