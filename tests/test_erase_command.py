"""`orchard erase` and `orchard readmit` as their user meets them, and lists of paths in files."""

from __future__ import annotations

import codecs
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from traces_of import traces_of

import orchard
from orchard.cli import main
from orchard.cli.erase import erase_command
from orchard.store import contributions
from orchard.store.output import Output
from orchard.store.tables import Tables
from orchard.training import Trained

CUT = "runs/20261120T141500.123456Z-1a2b3c.json"  # a run's record that was cut off


def cli(*arguments: Any, **more: Any) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), **more)


@pytest.fixture
def output(photo_result: orchard.Result, tmp_path: Path) -> Path:
    return shutil.copytree(photo_result.output, tmp_path / "out")


@pytest.fixture
def person(photos: Path) -> str:
    return str(photos / "plum/3.png")


def hashes(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def n_features(output: Path) -> int:
    return Tables(Output.at(output))["features"].n_rows


LISTS = {
    "UTF-8": lambda text: text.encode(),
    "byte order mark and CRLF": lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode(),
    "UTF-16, little": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "UTF-16, big": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-32": lambda text: codecs.BOM_UTF32_LE + text.encode("utf-32-le"),
}


@pytest.mark.parametrize("encoding", LISTS)
def test_a_list_is_read_however_an_editor_saved_it(
    output: Path, photos: Path, tmp_path: Path, encoding: str
) -> None:
    listed = tmp_path / "list.txt"
    text = f"{photos}/plum/1.png\n\n \n{photos}/sweet pepper/2.png\n{photos}/lemon/3.png"
    listed.write_bytes(LISTS[encoding](text))
    done = cli("erase", output, "--from-file", listed)
    assert done.exit_code == 0, done.output
    assert "rows erased: 3 of features" in done.stdout
    assert n_features(output) == 37


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("/a.jpg\n/café.jpg".encode("latin-1"), "line 2 is not UTF-8; save the list as UTF-8"),
        ("/a.jpg\n".encode("utf-16-le"), "holds zero bytes"),
        (codecs.BOM_UTF16_LE + b"/\0a", "line 1 is not UTF-16-LE"),
    ],
)
@pytest.mark.parametrize("command", ["erase", "readmit", "predict"])
def test_a_list_in_no_known_encoding_is_one_sentence(
    output: Path, tmp_path: Path, data: bytes, said: str, command: str
) -> None:
    listed = tmp_path / "list.txt"
    listed.write_bytes(data)
    before = hashes(output)
    done = cli(command, output, "--from-file", listed)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert hashes(output) == before


def test_what_matched_nothing_is_named_and_the_exit_code_is_11(
    output: Path, person: str, tmp_path: Path
) -> None:
    typo = person.replace("plum", "plom")
    done = cli("erase", output, "--path", person, "--path", typo, "--prefix", "/nowhere")
    assert done.exit_code == 11
    assert f"{typo!r}: no such path; nearest: {person.rpartition('/')[0]}" in done.stderr
    assert "'/nowhere': no path begins with this" in done.stderr
    assert "2 of the paths and prefixes matched nothing" in done.stderr
    assert "rows erased: 1 of features" in done.stdout
    assert "1 paths are kept out" in done.stdout
    assert traces_of(output, [person]) == []


def test_where_nothing_matched_nothing_changed(output: Path) -> None:
    (output / "report").mkdir(exist_ok=True)
    (output / "report/index.html").write_text("a map")
    before = hashes(output)
    done = cli("erase", output, "--path", "fruit", "--path", ".")
    assert done.exit_code == 11
    assert "nothing was deleted" in done.stdout
    lock = str(output / "_lock")
    assert hashes(output) | {lock: b""} == before | {lock: b""}


def test_a_dry_run_says_what_would_go_and_writes_nothing(output: Path, person: str) -> None:
    before = hashes(output)
    done = cli("erase", output, "--path", person, "--dry-run")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[:2] == ["1 image would be erased:", "  features: 1"]
    assert cli("erase", output, "--path", "/typo.png", "--dry-run").exit_code == 11
    (output / CUT).write_text("{")
    before[str(output / CUT)] = b"{"
    damaged = cli("erase", output, "--path", person, "--dry-run")
    assert (damaged.exit_code, CUT in damaged.stderr) == (5, True)
    assert hashes(output) == before


def test_keep_out_blocks_a_path_that_no_run_has_seen(output: Path) -> None:
    tried = cli("erase", output, "--path", "/later.jpg", "--keep-out", "--dry-run")
    assert tried.exit_code == 0
    assert "1 unknown path would be kept out too" in tried.stdout
    assert cli("readmit", output, "--path", "/later.jpg").exit_code == 11, "nothing was written"
    done = cli("erase", output, "--path", "/later.jpg", "--keep-out")
    assert done.exit_code == 0
    assert "kept out too: 1 unknown path" in done.stdout
    assert cli("readmit", output, "--path", "/later.jpg").exit_code == 0


def test_a_damaged_record_ends_with_5_and_a_retry_does_not_say_0(output: Path, person: str) -> None:
    cut = output / CUT
    cut.write_text('{"started": ')
    first = cli("erase", output, "--path", person)
    assert first.exit_code == 5
    assert "rows erased: 1 of features" in first.stdout
    assert str(cut) in first.stderr
    assert "Traceback" not in first.output
    cut.unlink()
    again = cli("erase", output, "--path", person)
    assert again.exit_code == 0
    assert "were not completed, set out to erase: 1 of features" in again.stdout
    lines = (output / "erasure/audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["rows"]["features"] for line in lines] == [1, 0]
    assert json.loads(lines[1])["begun_before"]["features"] == 1


def test_readmit_names_what_was_not_kept_out(output: Path, person: str) -> None:
    assert cli("erase", output, "--path", person).exit_code == 0
    done = cli("readmit", output, "--path", person, "--path", "/other.jpg")
    assert done.exit_code == 11
    assert done.stdout == "1 path will be read again by the next run\n"
    assert "'/other.jpg' is not kept out" in done.stderr
    assert cli("readmit", output).exit_code == 2


def test_a_wrong_code_takes_nothing_from_the_paths_beside_it(output: Path, person: str) -> None:
    given = contributions.add(Output.at(output), b"jpeg", keep_days=9)
    unknown = contributions.new_code()
    done = cli(
        "erase", output, "--contribution", unknown, "--contribution", given.code, "--path", person
    )
    assert done.exit_code == 5
    assert f"keeps no image under the code {unknown}" in done.stderr
    assert contributions.kept(Output.at(output)) == []
    assert n_features(output) == 39


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 40), (b"y\n", 39)])
def test_a_terminal_is_asked(output: Path, person: str, answer: bytes, left: int) -> None:
    said, code = at_terminal([str(output), "--path", person], answer)
    assert "1 image would be erased" in said
    assert "Erase for good?" in said
    assert code == (0 if left == 39 else 2)
    assert n_features(output) == left


def test_a_terminal_is_not_asked_with_yes(output: Path, person: str) -> None:
    said, code = at_terminal([str(output), "--path", person, "--yes"], b"")
    assert (code, "Erase for good?" in said, n_features(output)) == (0, False, 39)


def at_terminal(arguments: list[str], typed: bytes) -> tuple[str, int]:
    """What `orchard erase` says to somebody at a terminal, and its exit code."""
    ours, theirs = pty.openpty()
    os.write(ours, typed)
    command = [sys.executable, "-m", "orchard", erase_command.name or "", *arguments]
    done = subprocess.run(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    os.close(ours)
    os.close(theirs)
    return done.stdout, done.returncode


def test_one_missing_path_costs_no_other_its_answer(
    rendered_result: Path, trained: Trained, rendered: Path, tmp_path: Path
) -> None:
    pictures = sorted(map(str, (rendered / "Lemon").iterdir()))[:2]
    listed = tmp_path / "list.txt"
    listed.write_bytes(
        codecs.BOM_UTF8 + "\r\n".join([pictures[0], "/no.jpg", pictures[1]]).encode()
    )
    done = cli("predict", rendered_result, "--from-file", listed)
    assert done.exit_code == 7
    assert "1 of 3 images could not be read" in done.stderr
    missing, *answered = map(json.loads, done.stdout.splitlines())
    assert missing == {
        "path": "/no.jpg",
        "error": {"reason": "vanished", "detail": "/no.jpg: no such folder, file or pattern"},
    }
    assert [row["path"] for row in answered] == pictures
    assert all("answer" in row for row in answered)
    assert cli("predict", rendered_result, "/no.jpg", "/nor.jpg").exit_code == 3
