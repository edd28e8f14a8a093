"""What may happen to a file of a result, and every command that reads one, with its answer."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from traces_of import traces_of

import orchard
from orchard.cli import main
from orchard.result.compare import compare
from orchard.store.output import Output

SUPPRESSIONS = "erasure/suppressed.json"
Answer = tuple[int, Any]  # exit code, what was answered

KINDS: dict[str, Callable[[bytes], bytes | None]] = {
    "flipped in the middle": lambda data: flipped(data, len(data) // 2),
    "flipped near the end": lambda data: flipped(data, len(data) - len(data) // 8 - 1),
    "flipped near the start": lambda data: flipped(data, len(data) // 8),
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "garbage": lambda data: bytes(range(256)) * 4,
    "a list": lambda _: b'["a", "list"]',
    "an empty object": lambda _: b"{}",
    "a number": lambda _: b"7",
    "wrong fields": lambda data: wrong_fields(data),
    "deleted": lambda _: None,
}


def is_noticed(kind: str, file: str) -> bool:
    """Whether a damage is told, or changes no answer. A whole file may be missing: a record, the
    moments. Not so an entry of a table's log."""
    return kind != "deleted" or "/_delta_log/" in file


def flipped(data: bytes, at: int) -> bytes:
    """With one bit turned."""
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def wrong_fields(data: bytes) -> bytes:
    """A JSON object, every value of which is of another type; anything else as garbage."""
    try:
        content = json.loads(data)
    except ValueError:
        return b'{"fields": '
    if not isinstance(content, dict):
        return b'{"fields": 1}'
    content.pop("checksum", None)
    return json.dumps({name: [{"x": None}] for name in content}).encode()


def files_of(output: Path) -> list[str]:
    """Every file, by its path below OUTPUT."""
    return sorted(str(p.relative_to(output)) for p in output.rglob("*") if p.is_file())


def named(path: str) -> str:
    """A file's path without what is drawn by lot."""
    path = re.sub(r"\d{8}T\d{6}\.\d+Z-[0-9a-f]{6}", "RUN", path)
    return re.sub(r"[0-9a-f]{16}|part-0[-\w]*", "ID", path)


def contents(output: Path) -> dict[str, bytes]:
    """Every file's bytes, by its path below OUTPUT."""
    return {name: (output / name).read_bytes() for name in files_of(output)}


def goes_with(damaged: str) -> Iterator[str]:
    """What an erasure may leave where a file is damaged, by how its path begins.

    Without its log nobody knows what a table holds. Without the salt of what is kept out, and under
    a lock that is somebody else's file, nothing is erased at all.
    """
    yield damaged
    if "/_delta_log/" in damaged:
        yield f"{damaged.split('/')[0]}/"
    if damaged in (SUPPRESSIONS, "_lock"):
        yield ""


class Commands:
    """The commands on a damaged copy. whole: the same result as it was stored."""

    def __init__(self, whole: Path, source: Path, image: Path, scratch: Path) -> None:
        self.whole, self.source, self.image, self.scratch = whole, source, image, scratch

    def export(self, output: Path) -> Answer:
        shutil.rmtree(self.scratch, ignore_errors=True)
        to = ("--to", str(self.scratch), "--features", "--format", "csv")
        code, _ = invoke("export", str(output), *to)
        return code, {p.name: p.read_bytes() for p in self.scratch.glob("*") if p.is_file()}

    def compare(self, output: Path) -> Answer:
        return invoke("compare", str(output), str(self.whole))

    def nearest(self, output: Path) -> Answer:
        try:
            result = orchard.open(output)
            known = result.nearest(str(self.image), 3)
            return 0, [known.to_pylist(), result.nearest(self.image.read_bytes(), 3).to_pylist()]
        except orchard.OrchardError as error:
            return error.exit_code, str(error)

    def predict(self, output: Path) -> Answer:
        code, told = invoke("predict", str(output), str(self.image))
        return code, re.sub(r'"seconds": \{[^}]*\}', "", told)

    def privacy(self, output: Path) -> Answer:
        code, told = invoke("privacy", str(output))
        return code, re.sub(r"(made:|last run:|first run:).*", "", told).replace(str(output), "")

    def vacuum(self, output: Path) -> Answer:
        code, _ = invoke("vacuum", str(output))
        return code, code or self._is_whole(output, may_be_damaged=True)

    def optimize(self, output: Path) -> Answer:
        code, _ = invoke("optimize", str(output))
        # Files that it merges are read whole; one that stays as it is stays as damaged as it is.
        return code, code or self._is_whole(output, may_be_damaged=True)

    def report(self, output: Path) -> Answer:
        code, told = invoke("report", str(output))
        return code, told.splitlines()[:1]

    def run(self, output: Path) -> Answer:
        where = (str(self.source), str(output))
        settings = ("--weights", "fruit", "--size", "48", "--components", "10", "--no-report")
        code, _ = invoke("run", *where, *settings, "--quiet")
        # Where no image is new it reads no vector: damage to those is there as before.
        return code, code or self._is_whole(output, may_be_damaged=True)

    def train(self, output: Path) -> Answer:
        code, told = invoke("train", str(output), "--kind", "logistic", "--folds", "2", "--quiet")
        return code, told.replace("Classifier:", "")[:0]

    def erase_dry_run(self, output: Path) -> Answer:
        before = contents(output)
        answer = invoke("erase", str(output), "--path", str(self.image), "--dry-run")
        assert contents(output) == before
        return answer

    def erase(self, output: Path) -> Answer:
        """What is damaged stops no erasure: the image is found nowhere else afterwards."""
        before = contents(output)
        sound = contents(self.whole)
        damaged = {name for name in sound if before.get(name) != sound[name]}
        code, told = invoke("erase", str(output), "--yes", "--path", str(self.image))
        passed_over = {place for name in damaged for place in goes_with(name)}
        left = [
            trace
            for trace in traces_of(output, [str(self.image)])
            if not trace.removeprefix(f"{output}/").startswith((*passed_over,))
        ]
        assert not left, (code, left)
        return code, told.splitlines()[:1]

    def models(self, output: Path) -> Answer:
        return invoke("models")

    def _is_whole(self, output: Path, *, may_be_damaged: bool = False) -> bool:
        """Whether the tables are those of the whole result, or tell that they are damaged."""
        try:
            return compare(Output.at(output), Output.at(self.whole)).is_equal
        except orchard.OrchardError:
            return may_be_damaged


def invoke(*args: str) -> Answer:
    """A command's exit code and standard output. Fails on a traceback, and on an error of more
    than one sentence on one line."""
    done = CliRunner().invoke(main, args)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise AssertionError(f"orchard {args[0]} ended in a traceback") from done.exception
    if done.exit_code:
        lines = [line for line in done.stderr.splitlines() if line.startswith("orchard: ")]
        assert len(lines) == 1, done.stderr
        assert "Traceback" not in done.stderr
    return done.exit_code, done.stdout
