"""Names, labels and notices that hold markup, escape sequences and line ends only ever show."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

import orchard
from orchard.aws.sweep import Found
from orchard.aws.words import bill_table, found_table
from orchard.cli import main
from orchard.cloud.estimate import Item
from orchard.errors import ConfigError, OrchardError
from orchard.printable import printable, printable_json
from orchard.progress import Reporter, Terminal
from orchard.training import Trained
from tests.conftest import ROOT

NASTY = [
    "[/x]",
    "[red]",
    ":apple:",
    "red\x1b[31m",
    "title\x1b]0;owned\x07",
    "two\nlines",
    "\rback",
    "next\x85line",
    "gpj\u202eexe",
    "\u2066isolated",
    "tag\U000e0041",
    "$\\frac$",
]
ALL = "[/x]:apple:\x1b[31m\n\x9b\u202e"


def cli(*arguments: object) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, [str(a) for a in arguments])


def is_harmless(text: str) -> bool:
    """Whether a terminal shows each character, in this order."""
    return not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\U000e0041]",
        text,
    )


def through_a_terminal(*arguments: object) -> str:
    """What `orchard` writes to a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "orchard", *map(str, arguments)]
    subprocess.run(command, stdout=theirs, check=True)
    os.close(theirs)
    written = b""
    try:
        while data := os.read(ours, 65536):
            written += data
    except OSError:  # how Linux says that nobody holds the other end
        pass
    os.close(ours)
    return written.decode("utf-8").replace("\r\n", "\n")


@given(st.text())
def test_what_is_printed_moves_no_cursor_and_turns_no_line(text: str) -> None:
    shown = printable(text)
    assert is_harmless(shown)
    assert "\n" not in shown
    assert all(unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert printable(shown) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize("text", ["Äpfel", "りんご", "تفاح", "🍎", "a b\\c", "[x]", "=1"])
def test_letters_of_every_script_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


@given(st.dictionaries(st.text(), st.text()))
def test_json_for_a_terminal_is_the_same_json(row: dict[str, str]) -> None:
    shown = printable_json(json.dumps(row, ensure_ascii=False))
    assert is_harmless(shown)
    assert json.loads(shown) == row


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_reporter_says_text_as_it_is_written(text: str, is_terminal: bool) -> None:
    for kind in (Console, Terminal):
        console = kind(file=io.StringIO(), force_terminal=is_terminal, color_system=None, width=80)
        Reporter(console).say(f"left out: {text}")
        Reporter(console).warn(text)
        said = console.file.getvalue()
        assert said.splitlines() == [f"left out: {printable(text)}", f"warning: {printable(text)}"]


@pytest.mark.parametrize("text", NASTY)
def test_a_table_shows_its_cells_as_they_are_written(text: str) -> None:
    table = Table(text, title=text, min_width=40)
    table.add_row(text)
    for made in (
        table,
        bill_table(text, [Item(text, 1, 2)], 1),
        found_table([Found(*[text] * 4, True)]),
    ):
        console = Terminal(file=io.StringIO(), width=200)
        console.print(made)
        shown = console.file.getvalue()
        assert printable(text) in shown
        assert is_harmless(shown)


@pytest.mark.parametrize("text", NASTY)
def test_an_error_is_one_harmless_line(text: str) -> None:
    for kind in (OrchardError, *OrchardError.__subclasses__()):
        assert str(kind(f"{text}: expected a folder")) == f"{printable(text)}: expected a folder"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", f"no{ALL}where", "out"), 3),
        (("run", "p", "out", "--weights", f"{ALL}.onnx"), 4),
        (("run", "p", f"out{ALL}"), 2),
        (("run", "p", "out", "--label", f"({ALL}"), 2),
        (("run", "p", "out", "--master", ALL), 2),
        (("export", ALL), 2),
        (("export", "p", "--format", ALL), 2),
        (("predict", f"out{ALL}", "x.jpg"), 10),
        (("predict", f"out{ALL}", "--from-file", f"list{ALL}"), 2),
        (("erase", f"out{ALL}", "--path", ALL), 5),
        (("vacuum", f"out{ALL}"), 5),
        (("compare", f"a{ALL}", f"b{ALL}"), 2),
        (("models", ALL), 2),
        (("sample", "a", ALL), 2),
        (("run", f"--{ALL}"), 2),
        ((ALL,), 2),
    ],
)
def test_what_was_typed_wrong_is_quoted_harmlessly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p").mkdir()
    Path("p/a.png").touch()
    found = cli(*arguments)
    assert found.exit_code == code
    assert is_harmless(found.output)
    assert "[/x]" in found.stderr.replace("[/x\n", "[/x]")
    assert not found.stdout


@pytest.fixture(scope="module")
def nasty(
    spark: Any, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Result]:
    """Pictures in folders with such names, the result of a run, and what the run printed."""
    folder = tmp_path_factory.mktemp("nasty")
    names = [name.replace("/", "|") for name in NASTY]
    for number, name in enumerate(names):
        (folder / "p" / name).mkdir(parents=True)
        for picture in sorted(photos.glob(f"*/{number % 10}.png")):
            shutil.copy(picture, folder / "p" / name / f"{picture.parent.name}{ALL[4:]}.png")
        (folder / "p" / name / "broken.jpg").touch()
    network = folder / "net[red]\x1b[31m.onnx"
    network.write_bytes((ROOT / "src/orchard/model/fruit.onnx").read_bytes())
    Path(f"{network}.json").write_text(json.dumps({"notice": ALL, "size": 32}))
    output = folder / "out[" / "x]:apple:\u202e"  # the path holds out[/x]; controls are refused
    done = cli("run", folder / "p", output, "--weights", network, "--components", 3, "--no-report")
    return folder / "p", output, done


def test_the_summary_of_a_run_survives_every_name(nasty: tuple[Path, Path, Result]) -> None:
    _, output, done = nasty
    assert done.exit_code == 0, done.output
    assert is_harmless(done.output)
    assert done.stdout.endswith(f"Result: {printable(str(output))}\n")
    assert f"Note: {printable(ALL)}" in done.stdout
    assert f"warning: {printable(ALL)}" in done.stderr
    assert "Found twice: " in done.stdout, "a folder name in a sentence of the summary"
    labels = set(orchard.open(str(output)).components()["label"].to_pylist())
    assert "red\x1b[31m" in labels, "the tables hold names as they are"


def test_every_command_on_such_a_result_prints_no_control_character(
    nasty: tuple[Path, Path, Result], tmp_path: Path
) -> None:
    source, made, _ = nasty
    output = shutil.copytree(made, tmp_path / f"copy{made.name}")
    for arguments, code in (
        (("compare", made, output), 0),
        (("report", output, "--no-thumbnails"), 0),
        (("privacy", output, "--controller", ALL), 0),
        (("train", output, "--kind", "logistic", "--folds", 2, "--label", "fine"), 0),
        (("predict", output, source / NASTY[3]), 7),
        (("erase", output, "--path", f"{source}/{ALL}", "--prefix", f"{source}/[red]/"), 11),
        (("readmit", output, "--path", ALL), 11),
        (("vacuum", output), 0),
        (("optimize", output), 0),
    ):
        done = cli(*arguments)
        assert done.exit_code == code, done.output
        shown = done.stderr if arguments[0] == "predict" else done.output
        assert is_harmless(shown), arguments[0]


def test_scripts_get_names_as_they_are_and_people_get_escapes(
    nasty: tuple[Path, Path, Result], tmp_path: Path
) -> None:
    _, output, _ = nasty
    to = tmp_path / "to\x1b[31m"
    arguments = ("export", output, "--format", "csv", "--raw", "--to", to)
    assert f"{to}/components.csv".encode() in cli(*arguments).stdout_bytes.splitlines()
    assert f"{tmp_path}/to\\x1b[31m/components.csv" in through_a_terminal(*arguments).splitlines()
    assert "red\x1b[31m" in (to / "components.csv").read_text("utf-8")


def test_answers_are_utf8_for_scripts_and_the_same_json_on_a_terminal(
    trained: Trained, rendered_result: Path, rendered: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "c1\x9b\u202eé.jpg"
    shutil.copy(next(iter(sorted(rendered.glob("*/*.jpg")))), picture)
    piped = cli("predict", rendered_result, picture).stdout
    shown = through_a_terminal("predict", rendered_result, picture)
    assert "c1\x9b\u202eé" in piped
    assert "c1\\u009b\\u202eé" in shown
    assert is_harmless(shown)
    assert json.loads(piped)["path"] == json.loads(shown)["path"] == str(picture)


def test_a_name_that_is_not_utf8_is_printed_and_not_a_traceback(tmp_path: Path) -> None:
    missing = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    done = subprocess.run(
        [sys.executable, "-m", "orchard", "run", missing, str(tmp_path / "out")],
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.decode("utf-8").endswith("/caf\\udce9: no such folder, file or pattern\n")


def test_one_module_prints_and_one_makes_consoles() -> None:
    """What is printed past `orchard.cli.printing` and `Terminal` would be printed as it is."""
    sources = {path.name: path for path in (ROOT / "src/orchard").rglob("*.py")}

    def named(word: str) -> set[str]:
        return {name for name, path in sources.items() if re.search(word, path.read_text("utf-8"))}

    assert named(r"\bclick\.(secho|echo)\(") == {"printing.py"}
    assert named(r"\bConsole\(|import Console$") == set(), "Terminal is the one to make"
    assert named(r"(?<![.\w])print\(") == set()


def test_help_and_version_stay_as_they_are() -> None:
    assert "\n  run " in cli("--help").stdout
    assert cli().exit_code == click.UsageError.exit_code
    with pytest.raises(ConfigError, match=r"^a\\nb$"):
        raise ConfigError("a\nb")
