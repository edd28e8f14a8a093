"""The end of a run on a terminal: its words explain themselves, its figures are the report's."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Iterable
from typing import Any

from rich.table import Table

from orchard.cli import tables
from orchard.report import summarise, wording

COUNTS = {
    "listed": 4000, "new": 3500, "changed": 20, "retried": 3, "adopted": 3000,
    "already_there": 470, "known_errors": 5, "returned": 0, "relabelled": 0, "went": 7, "gone": 9,
    "suppressed": 2,
}  # fmt: skip
EMBEDDING = {
    "images": 520, "images_per_second": 87.0, "tasks": 4, "worker_processes": 2, "model_loads": 2,
    "broadcast_bytes": 8_800_000, "worker_peak_memory": 310_378_496,
}  # fmt: skip


def rows_of(table: Table) -> dict[str, str]:
    names, values = ([str(cell) for cell in column.cells] for column in table.columns)
    return dict(zip(names, values, strict=True))


def shown(parts: Iterable[Table | str]) -> list[Table | str]:
    return list(parts)


def test_a_dry_run_says_what_its_words_mean_and_its_rows_add_up() -> None:
    record: dict[str, Any] = {
        "counts": COUNTS,
        "estimate": {
            "n_timed": 96, "images_per_second": 50.0, "slots": 2, "seconds": 40.0,
            "features_bytes": 2_000_000,
        },
    }  # fmt: skip
    table, expected = shown(tables._plan(record))
    assert isinstance(table, Table)
    assert rows_of(table) == {
        "to embed": "523",
        "embedded by an interrupted run, to be taken over (adopted)": "3,000",
        "already there, unchanged": "470",
        "failed before, not tried again": "5",
        "cannot be listed, to be recorded as errors": "2",
        "listed in SOURCE": "4,000",
        "of these, new": "3,500",
        "of these, changed since": "20",
        "of these, failed before, to be tried again (retried)": "3",
        "missing from SOURCE, to be moved to gone/": "7",
        "in gone/ (features of images missing from SOURCE)": "9",
        "erased before, so left out (suppressed)": "2",
    }
    assert "on 2 local slots (images processed at once)" in str(expected)


def test_after_a_resume_the_speed_stands_beside_its_own_images() -> None:
    counts = COUNTS | {"embedded": 3518, "errors": 7}
    assert rows_of(tables._counts({"counts": counts}))["embedded now"] == "518"
    said = rows_of(tables._time({"seconds": {}, "embedding": EMBEDDING}))
    assert said["embedding"] == "87 images/s, over 520 images"
    parts = summarise.counts({"counts": counts})["parts"]
    assert (parts["embedded"], parts["adopted"]) == (518, 3000)
    assert summarise.counts({"counts": counts})["closes"]


def test_the_report_and_the_command_line_tell_one_time_in_one_unit() -> None:
    seconds = {"list": 0.4, "embed": 99.12, "PCA": 4.5, "report": 35.4, "total": 139.5}
    record = {"seconds": seconds, "embedding": EMBEDDING}
    said = rows_of(tables._time(record))
    times = summarise.times(record)
    on_page = wording.seconds(times["total"]).shown("en").replace("\u00a0", " ")
    assert said["before the report"] == on_page == "104.0 s"
    assert list(said)[-7:-4] == ["before the report", "report", "total"]
    memory = wording.megabytes(times["embedding"]["worker_peak_memory"]).shown("en")
    assert said["peak memory of a worker"] == memory.replace("\u00a0", " ") == "310 MB"


def in_a_terminal(columns: int, *command: str) -> str:
    """What a command writes to a terminal of so many columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = os.environ | {"TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    environment.pop("COLUMNS", None)
    arguments = [sys.executable, "-m", "orchard", *command]
    spawned = os.posix_spawn(
        sys.executable, arguments, environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, follower, 1), (os.POSIX_SPAWN_CLOSE, leader)],
    )  # fmt: skip
    os.close(follower)
    heard = b""
    try:
        while part := os.read(leader, 1 << 16):
            heard += part
    except OSError:  # its last writer has gone
        pass
    os.close(leader)
    assert os.waitpid(spawned, 0)[1] == 0
    return heard.decode()


def test_the_card_of_a_network_fits_a_terminal_of_80_columns() -> None:
    lines = in_a_terminal(80, "models", "fruit").splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    assert "another rotation" in text
    assert "0.821 ± 0.007" in text
    for mark in ("|---", "| protocol", "`fruit`", "## "):
        assert mark not in text
