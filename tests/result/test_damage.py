"""Whatever file of a result is damaged: the same answer as before, or one sentence and its code."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from result.damages import KINDS, Commands, files_of, is_noticed, named

import orchard
from orchard.errors import DamagedError
from orchard.store.erase import erase
from orchard.store.output import Output
from orchard.store.tables import Tables
from orchard.training import TrainConfig, Trained, train

CODES = {5, 10}  # OUTPUT cannot be read; no such classifier can be loaded
FAST = (
    "export",
    "nearest",
    "compare",
    "privacy",
    "vacuum",
    "predict",
    "optimize",
    "erase_dry_run",
    "erase",
)
SLOW = ("report", "run", "train")  # a second or more each: of fewer kinds of damage
UNREAD = ("models/classifier/", "report/", "erasure/")  # by `export` and `nearest`
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
    commands: Commands,
    expected: dict[str, Any],
    names: tuple[str, ...],
    copy: Path,
    kind: str,
    files: Iterable[str] | None = None,
) -> list[str]:
    """What is wrong with each of the files (all, by default) damaged in that way, for the commands
    of those names."""
    faults = []
    for name in names:
        if name not in expected:
            shutil.copytree(commands.whole, copy)
            expected[name] = getattr(commands, name)(copy)
            shutil.rmtree(copy)
            assert expected[name][0] == 0, expected[name]
    for file in files_of(commands.whole) if files is None else files:
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
            elif code == 0 and is_noticed(kind, file) and answer != expected[name][1]:
                faults.append(f"{name}: {named(file)}: another answer")
    return faults


@pytest.fixture(scope="module")
def trained_whole(
    rendered_result: Path, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A result that other tests share, after an erasure."""
    output = shutil.copytree(rendered_result, tmp_path_factory.mktemp("damage") / "whole")
    erase(
        Output.at(output), [Tables(Output.at(output)).read("features", ["path"])["path"][0].as_py()]
    )
    return output


@pytest.fixture
def readers(trained_whole: Path, rendered: Path, tmp_path: Path) -> Commands:
    image = Path(Tables(Output.at(trained_whole)).read("features", ["path"])["path"][9].as_py())
    return Commands(trained_whole, rendered, image, tmp_path / "exported")


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "kind"), [("export", "flipped in the middle"), ("nearest", "wrong fields")]
)
def test_a_damaged_file_is_told_in_a_sentence(
    readers: Commands, tmp_path: Path, name: str, kind: str
) -> None:
    """One file of each sort that these read; `make test-damage` takes all, in every way."""
    files = [file for file in files_of(readers.whole) if not file.startswith(UNREAD)]
    one_of_each = {re.sub(r"\d+", "N", named(file)): file for file in files}
    assert hold(readers, {}, (name,), tmp_path / "copy", kind, one_of_each.values()) == []


@pytest.mark.parametrize("table", ["features", "components"])
def test_every_reader_tells_that_a_log_has_lost_its_last_entry(
    readers: Commands, tmp_path: Path, table: str
) -> None:
    copy = shutil.copytree(readers.whole, tmp_path / "copy")
    max((copy / table / "_delta_log").glob("*.json")).unlink()
    with pytest.raises(DamagedError, match="has lost its last entry"):
        Tables(Output.at(copy)).read(table)
    codes = {name: getattr(readers, name)(copy)[0] for name in ("export", "compare", "report")}
    if table == "components":
        codes["nearest"] = readers.nearest(copy)[0]
    assert set(codes.values()) == {5}, codes


@pytest.mark.parametrize("kind", ["cut", "deleted"])
@pytest.mark.parametrize("where", ["features/_delta_log", "features", "components"])
def test_an_erasure_goes_past_what_is_damaged(
    readers: Commands, tmp_path: Path, where: str, kind: str
) -> None:
    """What `Commands.erase` finds of the image elsewhere fails it."""
    names = [path.name for path in (readers.whole / where).iterdir() if path.is_file()]
    for name in [max(names)] if "_delta_log" in where else names:
        copy = shutil.copytree(readers.whole, tmp_path / name)
        file = copy / where / name
        damage = KINDS[kind](file.read_bytes())
        file.unlink() if damage is None else file.write_bytes(damage)
        assert readers.erase(copy)[0] == 5, name


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
