"""A server of its own process, and what is said to it over sockets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx

MAIN = "from orchard.cli import main; main()"
DEADLINE = 300  # seconds, of a busy machine; nothing waits for it to pass
LIMITS = ("--answer-seconds", "--head-seconds", "--upload-seconds")
PATIENT = tuple(word for option in LIMITS for word in (option, str(DEADLINE)))


@dataclass
class Server:
    process: subprocess.Popen[str]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """source: an address of this machine, which the server takes for the client's."""
        there = ("127.0.0.1", self.port)
        return socket.create_connection(there, timeout=DEADLINE, source_address=(source, 0))

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=DEADLINE)
        return self.log.read_text()


Start = Callable[..., Server]


@contextmanager
def starting(output: Path, folder: Path) -> Iterator[Start]:
    """`orchard serve` on a free port, where there is no folder for temporary files."""
    running: list[Server] = []

    def start(*options: str) -> Server:
        log = folder / "log.jsonl"  # a pipe that nobody reads would fill up
        command = [sys.executable, "-c", MAIN, "serve", str(output), "--port", "0", *options]
        with log.open("w") as errors:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | {"TMPDIR": str(folder / "not-there")},
            )
        server = Server(process, 0, log)
        running.append(server)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "Serving on http://127.0.0.1:" in line, log.read_text()
        server.port = int(line.split(":")[2].split("/")[0])
        assert httpx.get(f"{server.url}/ready", timeout=DEADLINE).status_code == 200
        return server

    try:
        yield start
    finally:
        for server in running:
            server.process.kill()
            server.process.communicate()


def head(length: int, connection: str = "keep-alive") -> bytes:
    lines = (
        "POST /api/identify HTTP/1.1",
        "host: localhost",
        "content-type: image/jpeg",
        f"content-length: {length}",
        f"connection: {connection}",
    )
    return "\r\n".join((*lines, "", "")).encode()
