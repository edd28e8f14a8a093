"""The download and the cache, against a real server on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchard.errors import WeightsError
from orchard.model import CARDS, cache_dir, registry
from orchard.model import weights as cache
from orchard.model.weights import cached_weights, fetch

NAME = "weights.h5"


class Server(ThreadingHTTPServer):
    body: bytes
    requests: list[str]


class Handler(BaseHTTPRequestHandler):
    """/good, /cut (fewer bytes than announced), /unannounced (no length), /endless."""

    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
            return
        body = self.server.body
        self.send_response(200)
        if self.path == "/reset":
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            # Close with a reset instead of an end of stream.
            linger = np.array([1, 0], np.int32).tobytes()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return
        if self.path != "/unannounced":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path == "/cut" else body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, weights: Any, write_keras: Any) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.body = write_keras(tmp_path / "source.h5", weights, suffix=":0").read_bytes()
    server.requests = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; whatever proxy this machine has is not for loopback."""
    monkeypatch.setenv("ORCHARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache"


def url(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{path}"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("path", ["good", "unannounced"])
def test_weights_are_fetched_once_and_recorded(
    server: Server, folder: Path, weights: Any, path: str
) -> None:
    first, sha256 = cached_weights(url(server, path), NAME)
    second, again = cached_weights(url(server, path), NAME)
    assert server.requests == [f"/{path}"]
    assert sha256 == again
    assert all(np.array_equal(first[name], weights[name]) for name in weights)
    assert list(second) == list(first)
    assert names(folder) == [NAME, f"{NAME}.json"]
    record = json.loads((folder / f"{NAME}.json").read_text())
    assert (record["sha256"], record["source"]) == (sha256, url(server, path))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("cut", r"cut off after [\d,]+ of [\d,]+ bytes"),
        ("reset", "cut off|[Rr]eset"),
        ("missing", "404"),
    ],
)
def test_a_failed_download_leaves_nothing_and_says_what_to_do(
    server: Server, folder: Path, path: str, reason: str
) -> None:
    with pytest.raises(WeightsError, match=reason) as error:
        cached_weights(url(server, path), NAME)
    message = str(error.value)
    assert url(server, path) in message
    assert f"put it at {folder / NAME}" in message
    assert "--weights fruit" in message
    assert "\n" not in message
    assert names(folder) == []


def test_a_corrupted_download_leaves_nothing(server: Server, folder: Path) -> None:
    server.body = server.body[:100_000] + b"\xff" * 1000 + server.body[101_000:]
    with pytest.raises(WeightsError, match=r"the file received: .*(NaN|not a file)"):
        cached_weights(url(server, "good"), NAME)
    assert names(folder) == []


def test_a_sign_in_page_leaves_nothing(server: Server, folder: Path) -> None:
    server.body = b"<html>Sign in to this network</html>"
    with pytest.raises(WeightsError, match="the file received: not a file of Keras weights"):
        cached_weights(url(server, "good"), NAME)
    assert names(folder) == []


def test_a_download_without_end_is_stopped(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 1_000_000)
    with pytest.raises(WeightsError, match="more than 1,000,000 bytes"):
        fetch(url(server, "unannounced"), folder / NAME)
    assert names(folder) == []


def test_offline_with_an_empty_cache(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: the connection is refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/weights.h5"
        with pytest.raises(WeightsError, match="refused") as error:
            cached_weights(address, NAME)
    assert f"put it at {folder / NAME}" in str(error.value)
    assert names(folder) == []


def test_a_proxy_of_the_environment_is_used(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    cached_weights("http://weights.invalid/good", NAME)
    assert server.requests == ["http://weights.invalid/good"]


def test_a_cache_that_cannot_be_made(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(WeightsError, match="put it at"):
        fetch(url(server, "good"), tmp_path / "file" / "cache" / NAME)


def test_a_run_goes_on_without_a_cache_that_cannot_be_made(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("ORCHARD_CACHE", str(tmp_path / "file" / "cache"))
    _, sha256 = cached_weights(url(server, "good"), NAME)
    assert (cached_weights(url(server, "good"), NAME)[1], len(server.requests)) == (sha256, 2)
    with pytest.raises(
        WeightsError, match=r"HTTP 404 .* put it at a folder of yours that ORCHARD_"
    ):
        cached_weights(url(server, "missing"), NAME)


ANOTHER_USER = """
import os, sys
from orchard.model import keras_file
from orchard.model.weights import cache_dir, cached_weights
keras_file._parse_apart = keras_file.parse  # another user may not start root's interpreter
url, os.environ["ORCHARD_CACHE"] = sys.argv[1:]
kept = cached_weights(url, "weights.h5")[1]  # and every module is loaded, wherever it lies
del os.environ["ORCHARD_CACHE"]
if os.geteuid() == 0:  # to root no folder is closed
    os.seteuid(65534)
try:
    (cache_dir() / "weights.h5").exists()
except PermissionError:
    print("closed")
print(cached_weights(url, "weights.h5")[1] == kept)
"""


def test_the_home_of_another_user_is_gone_without(tmp_path: Path, server: Server) -> None:
    home = tmp_path / "home"
    (home / ".cache" / "orchard").mkdir(parents=True)
    home.chmod(0)
    environment = os.environ | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("ORCHARD_CACHE", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    words = [sys.executable, "-c", ANOTHER_USER, url(server, "good"), str(tmp_path / "cache")]
    try:
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
    finally:
        home.chmod(0o700)
    assert done.stdout.split() == ["closed", "True"], done.stderr


def test_importing_onnx_runtime_leaves_nothing_below_home(tmp_path: Path) -> None:
    code = (
        "import os; before = dict(os.environ)\n"
        "from orchard.embedding.fingerprint import EmbeddingIdentity\n"
        "from orchard.model import load_model\n"
        "EmbeddingIdentity.of(load_model('fruit', 32))\n"
        "assert dict(os.environ) == before"
    )
    environment = os.environ | {"HOME": str(tmp_path)}
    environment.pop("XDG_CACHE_HOME", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(tmp_path.rglob("*")) == []


def test_a_file_put_there_by_hand_is_verified_and_accepted(
    folder: Path, server: Server, weights: Any, write_keras: Any
) -> None:
    folder.mkdir()
    write_keras(folder / NAME, weights)
    read, sha256 = cached_weights(url(server, "good"), NAME)
    assert list(read) == list(weights)
    assert json.loads((folder / f"{NAME}.json").read_text())["sha256"] == sha256
    assert server.requests == []


def test_a_wrong_file_put_there_by_hand_is_refused(folder: Path, server: Server) -> None:
    folder.mkdir()
    (folder / NAME).write_bytes(b"half a download")
    with pytest.raises(WeightsError, match="delete it to have it fetched"):
        cached_weights(url(server, "good"), NAME)
    assert server.requests == []


def test_a_file_that_changed_in_the_cache_is_refused(
    folder: Path, server: Server, weights: Any, write_keras: Any
) -> None:
    cached_weights(url(server, "good"), NAME)
    changed = dict(weights) | {"bn_Conv1/beta": weights["bn_Conv1/beta"] + 1}
    write_keras(folder / NAME, changed)
    with pytest.raises(WeightsError, match=r"sha256 .* as recorded in weights\.h5\.json"):
        cached_weights(url(server, "good"), NAME)
    (folder / f"{NAME}.json").unlink()
    read, _ = cached_weights(url(server, "good"), NAME)
    assert np.array_equal(read["bn_Conv1/beta"], changed["bn_Conv1/beta"])


def test_an_unreadable_record_is_refused(folder: Path, server: Server) -> None:
    cached_weights(url(server, "good"), NAME)
    (folder / f"{NAME}.json").write_text("[]")
    with pytest.raises(WeightsError, match="expected unreadable"):
        cached_weights(url(server, "good"), NAME)


def test_imagenet_comes_from_the_cache(folder: Path, weights: Any, write_keras: Any) -> None:
    folder.mkdir()
    card = CARDS["imagenet"]
    assert card.file_name is not None
    write_keras(folder / card.file_name, weights, suffix=":0", depthwise="depthwise_kernel")
    model = registry.load_model("imagenet")
    assert (model.name, model.size, model.dim, model.notice) == ("imagenet", 224, 1280, None)
    assert model.normalisation == "x / 127.5 - 1"


def test_a_file_whose_weights_are_known_is_called_by_their_name(
    folder: Path, tmp_path: Path, weights: Any, write_keras: Any
) -> None:
    folder.mkdir()
    own = tmp_path / "w.h5"
    card = CARDS["imagenet"]
    assert card.file_name is not None
    write_keras(own, weights, suffix=":0", depthwise="depthwise_kernel")
    assert registry.load_model(str(own)).name == "w"
    link = tmp_path / "link.h5"
    link.symlink_to(own)
    assert registry.load_model(str(link)).name == "w"
    (folder / card.file_name).write_bytes(own.read_bytes())
    registry.load_model("imagenet")
    assert registry.load_model(str(own)).name == "imagenet"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"ORCHARD_CACHE": "/a/b"}, "/a/b"),
        ({"ORCHARD_CACHE": "~/c"}, "/home/me/c"),
        ({"ORCHARD_CACHE": "/a/b", "XDG_CACHE_HOME": "/x"}, "/a/b"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/orchard"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/orchard"),
        ({}, "/home/me/.cache/orchard"),
    ],
)
def test_where_the_cache_is(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name in ("ORCHARD_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **environment}.items():
        monkeypatch.setenv(name, value)
    assert cache_dir() == Path(expected)
