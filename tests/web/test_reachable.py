"""What a person at the terminal is told: the address to pass on, and requests in words."""

from __future__ import annotations

import logging
import re
import socket
from typing import Any

import pytest

from orchard.web import logs, reachable
from orchard.web.server import listen
from orchard.web.settings import ServeConfig

HOME = "192.168.1.20"


def told(host: str) -> tuple[str | None, int]:
    with listen(ServeConfig(output="out", host=host, port=0)) as listening:
        port = listening.getsockname()[1]
        return reachable.on_the_network(ServeConfig(output="out", host=host), listening), port


def test_a_server_that_is_open_to_the_network_tells_the_address_for_phones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reachable, "_own_address", {socket.AF_INET: HOME}.get)
    address, port = told("0.0.0.0")
    assert address == f"http://{HOME}:{port}/"
    assert told("127.0.0.1")[0] is None, "nobody else reaches it"


def test_in_an_ipv6_network_the_address_stands_in_brackets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reachable, "_own_address", {socket.AF_INET6: "2001:db8::7"}.get)
    config = ServeConfig(output="out", host="::")
    with socket.socket(socket.AF_INET6) as listening:
        assert reachable.on_the_network(config, listening) == "http://[2001:db8::7]:0/"


def test_without_a_network_no_address_is_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachable, "_own_address", lambda _: None)
    assert told("0.0.0.0")[0] is None


def test_the_qr_code_is_a_square_with_three_corner_marks() -> None:
    pytest.importorskip("segno")
    lines = reachable.qr_code(f"http://{HOME}:8000/").splitlines()
    size = max(map(len, lines))
    assert size >= 25 + 2 * 4, "version 2, and the quiet zone that cameras need"
    assert abs(2 * len(lines) - size) <= 2, "two rows of modules on a line"
    assert size <= 79


def record(level: int, name: str, message: str, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord(name, level, "", 0, message, None, None)
    made.fields = fields
    return made


def test_a_person_reads_requests_in_words_and_nothing_can_forge_a_line() -> None:
    line = logs.PlainLines().format(
        record(
            logging.INFO, logs.REQUESTS, "request",
            method="POST", route="/api/identify", status=200, seconds=0.1234, bytes_sent=9,
        )
    )  # fmt: skip
    assert re.fullmatch(r"\d\d:\d\d:\d\d POST /api/identify 200 0\.12 s", line)
    line = logs.PlainLines().format(record(logging.WARNING, "orchard.web", "a\x1b[2Jb", error="E"))
    assert line.endswith(" warning: a\\x1b[2Jb error=E")


@pytest.mark.parametrize(
    ("is_terminal", "kind"), [(True, logs.PlainLines), (False, logs.JsonLines)]
)
def test_programs_get_json_and_terminals_words(
    is_terminal: bool, kind: type[logging.Formatter]
) -> None:
    assert isinstance(logs.formatter(is_terminal), kind)
