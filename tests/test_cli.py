"""The command line: each option is explained, each error is one line and its own exit code."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from orchard import __version__, errors
from orchard import open as open_result
from orchard.cli import EXIT_CODES, main
from orchard.errors import DamagedError, OrchardError
from orchard.model import CARDS, load_model
from orchard.pipeline import embedding, planning
from orchard.store.output import Output
from orchard.store.tables import Tables

SMALL = ("--weights", "fruit", "--size", "32")


def all_commands(name: str, command: click.Command) -> dict[str, click.Command]:
    """A command and, of a group, all below it, by what one types."""
    below = command.commands if isinstance(command, click.Group) else {}
    found = {name: command}
    for word, inner in below.items():
        found |= all_commands(f"{name} {word}", inner)
    return found


COMMANDS = all_commands("orchard", main)
REFERENCE = Path(__file__).parent.parent / "docs/reference.md"


def orchard(*arguments: object) -> Result:
    """Run the command line in this process; whatever it did not mean to raise is raised."""
    runner = CliRunner(catch_exceptions=False)
    return runner.invoke(main, [str(argument) for argument in arguments])


def options() -> list[tuple[str, click.Option]]:
    return [
        (name, parameter)
        for name, command in COMMANDS.items()
        for parameter in command.get_params(click.Context(command))
        if isinstance(parameter, click.Option)
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_every_option_with_a_sentence(name: str) -> None:
    found = orchard(*name.split()[1:], "--help")
    assert found.exit_code == 0
    for command, option in options():
        if command == name:
            assert option.help, f"{name} {option.opts[0]} has no help"
            flat = " ".join(found.stdout.split())
            assert all(text in flat for text in (*option.opts, *option.help.split("  ")))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_reference(name: str) -> None:
    sections = re.split(r"^## ", f"orchard\n{REFERENCE.read_text('utf-8')}", flags=re.MULTILINE)
    section = next(text for text in sections if text.splitlines()[0].strip() == name)
    for command, option in options():
        if command == name:
            assert f"{option.opts[-1]} " in section, f"run python docs/reference.py: {option.opts}"


def test_help_tells_the_exit_codes_of_errors_py() -> None:
    raised = (OrchardError, *OrchardError.__subclasses__())
    codes = {error.exit_code for error in raised} | {0, 130}
    assert {int(code) for code in re.findall(r"(?:^|  +)(\d+)  ", EXIT_CODES, re.M)} == codes
    assert all(f" {code}  " in orchard("--help").stdout for code in codes)


def test_each_error_has_a_code_of_its_own() -> None:
    codes = [error.exit_code for error in OrchardError.__subclasses__()]
    assert sorted(codes) == list(range(2, 12))
    tree = {
        name: int(code) for name, code in re.findall(r"(\w+) {2,}(\d+)\b", errors.__doc__ or "")
    }
    classes = [OrchardError, *OrchardError.__subclasses__(), DamagedError]
    assert tree == {error.__name__: error.exit_code for error in classes}


def test_the_version_is_told() -> None:
    assert orchard("--version").stdout == f"orchard, version {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("photos",), 2, "give at least one SOURCE and, last, OUTPUT; see orchard run --help"),
        (("photos", "out", "--size", "7"), 2, "--size 7: expected a whole number of pixels"),
        (("photos", "out", "--components", "1.5"), 2, "--components 1.5: expected a whole number"),
        (("nowhere", "out", *SMALL), 3, "nowhere: no such folder, file or pattern"),
        (("photos", "out", "--weights", "resnet"), 4, "resnet"),
        (("gs://bucket/photos", "out", *SMALL), 2, "gs://bucket: this store has not been tried"),
        (
            ("photos", "az://bucket/out", *SMALL),
            2,
            "az://bucket/out: this store has not been tried",
        ),
        (("hdfs://head:8020/photos", "out", *SMALL), 2, "hdfs://head:8020: HDFS is refused"),
        (("photos", "hdfs:///out", *SMALL), 2, "hdfs:///out: HDFS is refused, since obstore"),
        (("file://photos", "out", *SMALL), 2, "file://photos: this store has not been tried"),
        (("file:///nowhere", "out"), 3, "file:///nowhere: no such folder, file or pattern"),
        (("photos", "photos/apple/0.png", *SMALL), 5, "a file is in the way"),
        (("photos", "out", "--limit", "3", "--components", "9", *SMALL), 6, "--components 9: "),
        (("photos", "broken", "out", "--max-errors", "1", *SMALL), 7, "2 of 42 images failed"),
    ],
)
def test_an_error_is_one_line_and_its_exit_code(
    spark: Any,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").symlink_to(photos)
    Path("broken").mkdir()
    Path("broken/a.jpg").touch()
    Path("broken/b.jpg").touch()
    found = orchard("run", *arguments, "--quiet")
    assert found.exit_code == code
    *warnings, line = found.stderr.splitlines()
    assert line.startswith("orchard: ")
    assert text in line
    assert all(warning.startswith("warning: ") for warning in warnings)
    assert found.stdout == ""


def test_counts_that_do_not_close_end_with_8(
    spark: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "MIN_IMAGES", 10)
    monkeypatch.setattr(embedding, "cut", lambda images, slots: planning.cut(images, slots)[1:])
    found = orchard("run", photos, tmp_path / "out", *SMALL, "--quiet")
    assert found.exit_code == 8
    assert re.search(
        r"^orchard: the counts do not add up: .*; nothing is written$", found.stderr, re.M
    )
    assert not (tmp_path / "out/features").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "a", "b", "--no-such-option"),
        ("run", "a", "b", "--size", "big"),
        ("compare", "/no/such/folder", "/nor/this"),
        ("export", "."),
        ("erase", "out", "--prefix", ""),  # a variable that is not set: it would begin all paths
        ("erase", "out", "--path", ""),
        ("optimize", "out", "--target-mb", "0"),
        ("optimize", "out", "--target-mb", "99999999"),
        ("nonsense",),
    ],
)
def test_bad_usage_ends_with_2(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = orchard(*arguments)
    assert found.exit_code == (5 if arguments[0] == "export" else 2)
    assert "Traceback" not in found.output
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_tells_the_plan_and_writes_nothing(photos: Path, tmp_path: Path) -> None:
    found = orchard("run", photos, tmp_path / "out", *SMALL, "--dry-run")
    assert found.exit_code == 0
    assert re.search(r"listed in SOURCE\W+40\b", found.stdout)
    assert re.search(r"^Expected: about \d+ s on \d+ local slots", found.stdout, re.M)
    assert "Result:" not in found.stdout
    assert list(tmp_path.iterdir()) == []


def test_what_must_be_said_of_a_network_is_said_wherever_its_results_are(
    spark: Any, photos: Path, tmp_path: Path
) -> None:
    network = tmp_path / "apples.onnx"
    network.write_bytes(load_model("fruit", 32).onnx)
    network.with_name("apples.onnx.json").write_text('{"notice": "trained on 12 apples"}')
    found = orchard("run", photos, tmp_path / "out", "--weights", network, "--quiet")
    assert found.exit_code == 0
    assert found.stdout == f"Result: {tmp_path}/out\n"
    assert found.stderr == "warning: trained on 12 apples\n", "--quiet shows warnings only"
    page = (tmp_path / "out/report/index.html").read_text()
    assert "Note: trained on 12 apples." in page
    assert "Remarque\u00a0: trained on 12 apples." in page
    assert "trained on 12 apples" in open_result(tmp_path / "out")._repr_html_()


def test_models_are_listed_with_size_and_licence() -> None:
    found = orchard("models")
    assert found.exit_code == 0
    flat = " ".join(found.stdout.split())
    for card in CARDS.values():
        assert card.name in flat
        assert card.licence in flat
    listed = json.loads(orchard("models", "--json").stdout)
    assert [card["name"] for card in listed] == list(CARDS)
    assert {card["dim"] for card in listed} == {1280}
    assert all(card["licence"] and card["summary"] for card in listed)


def test_the_card_of_the_network_in_the_package_is_shown() -> None:
    found = orchard("models", "fruit")
    assert found.exit_code == 0
    for heading in ("Training", "Figures", "Data", "Limits"):
        assert f"## {heading}" in found.stdout
    unknown = orchard("models", "banana")
    assert unknown.exit_code == 2
    assert "imagenet, fruit" in unknown.stderr


def test_sample_renders_the_number_asked_for(tmp_path: Path) -> None:
    command = ("sample", tmp_path / "fruits", "--count", 3, "--size", 32)
    assert orchard(*command).stdout == f"3 of 3 pictures written to {tmp_path}/fruits\n"
    pictures = [
        path for path in (tmp_path / "fruits").rglob("*") if path.suffix in (".jpg", ".png")
    ]
    assert len(pictures) == 3
    assert orchard(*command).stdout.startswith("0 of 3 pictures"), "those are there already"
    found = orchard("sample", "fruits-361", tmp_path / "fruits")
    assert found.exit_code == 2
    assert (
        found.stderr == f"orchard: fruits-361 {tmp_path}/fruits: expected DIR, or fruits-360 DIR\n"
    )


@pytest.fixture(scope="module")
def piped(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A run of the installed command whose output no terminal sees."""
    importlib.import_module("matplotlib.font_manager")  # makes its cache, and tells if that is slow
    folder = tmp_path_factory.mktemp("piped run")
    shutil.copytree(photos, folder / "-photos")
    (folder / "-photos/lemon/0.png").write_bytes(b"")
    command = Path(sys.executable).with_name("orchard")
    arguments = [*SMALL, "--event-log", "event log", "--master", "local[2]", "--", "-photos", "out"]
    environment = {
        k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "TTY_COMPATIBLE")
    }
    done = subprocess.run(
        [command, "run", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    return folder, done


def test_a_piped_run_ends_well_and_says_where_the_result_is(piped: tuple[Path, Any]) -> None:
    folder, done = piped
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"Result: {folder}/out"
    assert Tables(Output.at(folder / "out"))["components"].n_rows == 39


def test_a_piped_run_sends_plain_lines_progress_to_stderr_the_summary_to_stdout(
    piped: tuple[Path, Any],
) -> None:
    _, done = piped
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr
    assert re.search(r"^embedding: 40/40 images, \d+ images/s, 1 errors$", done.stderr, re.M)
    assert re.search(r"^Spark \d+\.\d+\.\d+ on local\[2,4\]$", done.stderr, re.M)
    assert "embedding: " not in done.stdout
    for name, value in (("embedded now", 39), ("errors", 1), ("listed", 40), ("empty", 1)):
        assert re.search(rf"^\W+{name}\W+{value}\W*$", done.stdout, re.M), name
    noise = re.compile(r"(warning: |Spark |embedding: |report: ).*|.* …")
    assert all(noise.fullmatch(line) for line in done.stderr.splitlines()), done.stderr


def test_the_event_log_is_one_that_sparks_history_server_reads(piped: tuple[Path, Any]) -> None:
    folder, _ = piped
    (log,) = (folder / "event log").iterdir()
    events = [json.loads(line)["Event"] for line in log.read_text("utf-8").splitlines()]
    assert events[0] == "SparkListenerLogStart"
    assert events[-1] == "SparkListenerApplicationEnd"
    assert "SparkListenerTaskEnd" in events
