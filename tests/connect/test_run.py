"""`orchard run --master sc://…`: the tables of a local run, whatever happens on the way."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from cluster.processes import Gate, wait_for
from cluster.results import last_record, staged
from connect.conftest import Start
from connect.server import Server, bare_python

from orchard.result.compare import compare
from orchard.store.output import Output

pytestmark = pytest.mark.connect


def assert_equal(found: Path, expected: Path) -> None:
    compared = compare(Output.at(found), Output.at(expected))
    assert compared.is_equal, compared


def test_the_servers_workers_have_the_libraries_and_no_orchard(tmp_path: Path) -> None:
    python = bare_python(tmp_path / "python")

    def imports(name: str) -> bool:
        done = subprocess.run([python, "-I", "-c", f"import {name}"], capture_output=True)
        return done.returncode == 0

    assert imports("onnxruntime")
    assert not imports("orchard.spark")


def test_a_run_through_connect_comes_to_what_a_local_run_does(
    server: Server, local: Path, remote: Path
) -> None:
    assert_equal(remote, local)
    assert not (remote / "_staging").exists()
    record = last_record(remote)
    assert record["counts"]["embedded"] == 197
    assert record["errors_by_reason"] == {"not_an_image": 3}
    assert record["embedding"]["tasks"] > 2
    assert record["embedding"]["broadcast_bytes"] > 1_000_000
    assert record["embedding"]["model_loads"] == record["embedding"]["worker_processes"]
    assert record["driver"]["jvm_peak_memory"] is None
    assert record["config"]["master"] == server.url, "without its parameters: one can be a token"


def test_a_run_with_nothing_new_asks_no_server(start: Start, pictures: Path, remote: Path) -> None:
    records = sorted((remote / "runs").iterdir())
    run = start(pictures, remote, "sc://127.0.0.1:1")
    assert run.wait() == 0, run.output
    assert sorted((remote / "runs").iterdir()) == records


def test_too_many_errors_cancel_what_is_still_to_be_done(
    start: Start, server: Server, gate: Gate, tmp_path: Path
) -> None:
    """All tasks but the first would wait for ever."""
    (tmp_path / "bad").mkdir()
    for number in range(200):
        (tmp_path / "bad" / f"{number}.jpg").write_bytes(b"no picture")
    out = tmp_path / "out"
    run = start(tmp_path / "bad", out, server.url, "--max-errors", "10", gate=gate)
    assert run.wait() == 7, run.output
    assert re.search(r"\d+ of 200 images failed, more than the 10 that --max-errors", run.output)


def test_ctrl_c_ends_the_tasks_and_the_next_run_goes_on_from_there(
    start: Start, server: Server, gate: Gate, pictures: Path, local: Path, tmp_path: Path
) -> None:
    run = start(pictures, tmp_path / "out", server.url, gate=gate)
    wait_for(lambda: staged(tmp_path / "out") and gate.waiting(), "tasks at the gate", of=run)
    run.signal(signal.SIGINT)
    assert run.wait() == 130, run.output
    assert "images embedded so far are kept" in run.output
    again = start(pictures, tmp_path / "out", server.url)  # finds no slot while a task still waits
    assert again.wait() == 0, again.output
    assert last_record(tmp_path / "out")["counts"]["adopted"] >= 60
    assert_equal(tmp_path / "out", local)


def test_a_lost_server_ends_the_run_with_a_sentence(
    start: Start, gate: Gate, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server")
    run = start(pictures, tmp_path / "out", server.url, gate=gate)
    try:
        wait_for(gate.waiting, "tasks at the gate", of=run)
    finally:
        server.close()
    assert run.wait() == 1
    assert re.search(r"orchard: Spark gave up: .*onnect", run.output), run.output
    assert "Traceback" not in run.output


def test_a_server_that_is_not_there_is_named(start: Start, pictures: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"sc://127.0.0.1:{taken.getsockname()[1]}"
        run = start(pictures, tmp_path / "out", f"{url}/;token=secret")
        assert run.wait() == 2, run.output
    assert "secret" not in run.output
    expected = rf"orchard: --master {re.escape(url)}: no Spark Connect server answers: .+"
    assert re.fullmatch(expected, run.output.splitlines()[-1])
    assert "Traceback" not in run.output
