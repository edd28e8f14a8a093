"""A result made by somebody who wants its reader's files, or requests in their name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pyarrow as pa

from orchard.records import ERRORS
from orchard.store import galleries, staging
from orchard.store.output import Output
from orchard.store.runs import new_run_id
from orchard.store.tables import Tables

_recordings: list[list[str]] = []


def _note(event: str, args: tuple[object, ...]) -> None:
    if event == "open":
        for recording in _recordings:
            recording.append(str(args[0]))


sys.addaudithook(_note)  # none can be removed again; this one notes nothing outside `opened_files`


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """The paths of all files that Python opens in the block."""
    recording: list[str] = []
    _recordings.append(recording)
    try:
        yield recording
    finally:
        _recordings.remove(recording)


@contextmanager
def loopback(picture: bytes) -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that has a picture under every address; its URL, and what it was
    asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            self.wfile.write(picture)

        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def poison(output: Output, secrets: Path, url: str) -> set[str]:
    """Let every row name a file or an address that is none of the sources'; the paths.

    secrets: a folder that gets a copy of every image, so that what is read would pass for it. Each
    third row names an address below `url`, one row /etc/passwd, and the runs record sources that
    would admit all of that.
    """
    named = {
        path: _other(number, path, secrets, url)
        for number, path in enumerate(Tables(output).read("features", ["path"])["path"].to_pylist())
    }
    for table in ("features", "components"):
        rows = _renamed(Tables(output).read(table), named)
        _replace(output, table, rows)
    broken = [{"path": f"{url}/broken.jpg"}, {"path": "/etc/passwd"}]
    facts = {"size": 100, "reason": "corrupt", "detail": "", "run_id": "x"}
    _replace(output, "errors", pa.Table.from_pylist([row | facts for row in broken], ERRORS))
    for file in output.paths(galleries.CLASSIFIERS):
        if file.endswith("/gallery.parquet"):
            folder = file.rpartition("/")[0]
            galleries.put(output, folder, _renamed(galleries.get(output, folder), named))
    for file in output.paths("runs"):
        record = output.get_json(file)
        output.put_json(file, record | {"sources": ["/", "/*", "/*/*", url]})
    return set(named.values())


def _other(number: int, path: str, secrets: Path, url: str) -> str:
    if number == 0:
        return "/etc/passwd"
    if number % 3 == 0:
        return f"{url}/{number}.jpg"
    copy = secrets / f"{number}{Path(path).suffix}"
    copy.write_bytes(Path(path).read_bytes())
    return str(copy)


def _renamed(rows: pa.Table, named: dict[str, str]) -> pa.Table:
    paths = pa.array([named[path] for path in rows["path"].to_pylist()], pa.string())
    return rows.set_column(0, rows.schema.field("path"), paths)


def _replace(output: Output, table: str, rows: pa.Table) -> None:
    run_id = new_run_id()
    staged = staging.stage(output, run_id, table, "000000", rows)
    Tables(output).commit(run_id, table, [staged], overwrite=True)
