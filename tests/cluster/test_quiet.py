"""Orchard talks to nobody, and writes nothing but its OUTPUT, its cache and temporary files."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster.standalone import environment

pytestmark = pytest.mark.cluster
ALONE = Path(__file__).with_name("alone.py")
ASK = """
import sys, time, urllib.request
for _ in range(600):
    try:
        request = urllib.request.Request(sys.argv[1] + "/api/identify", open(sys.argv[2], "rb"))
        print(urllib.request.urlopen(request).status)
        break
    except OSError:
        time.sleep(0.1)
"""
SERVE_AND_ASK = """
import signal, subprocess, sys
served = subprocess.Popen([sys.executable, "-m", "orchard", "serve", "result", "--port", "8123"])
subprocess.run([sys.executable, "-c", sys.argv[1], "http://127.0.0.1:8123", sys.argv[2]])
served.send_signal(signal.SIGTERM)
sys.exit(served.wait())
"""
OPENVINO = """
from orchard.model import load_model
from orchard.model.openvino import imported
core = imported().Core()
core.compile_model(core.read_model(load_model("fruit").onnx), "CPU")
"""
RUN = ("run", "fruits", "--weights", "fruit", "--size", "32")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, where all commands run; its neighbour `home` is HOME."""
    folder = tmp_path_factory.mktemp("quiet")
    for name in ("home", "temporary", "work"):
        (folder / name).mkdir()
    return folder / "work"


def run_alone(place: Path, *command: str) -> list[list[object]]:
    """Whom a command wrote to."""
    own = {
        "HOME": str(place.with_name("home")),
        "TMPDIR": str(place.with_name("temporary")),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    others = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "ORCHARD_CACHE")
    known = {name: value for name, value in environment().items() if name not in others}
    done = subprocess.run(
        [sys.executable, ALONE, *command],
        cwd=place, env=known | own, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 75:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    found: list[list[object]] = json.loads(done.stdout.splitlines()[-1])
    return found


def orchard(place: Path, *arguments: str) -> list[list[object]]:
    return run_alone(place, sys.executable, "-m", "orchard", *arguments)


def test_a_request_elsewhere_would_be_seen(place: Path) -> None:
    program = "import socket; socket.socket().connect_ex(('192.0.2.1', 443))"
    assert run_alone(place, sys.executable, "-c", program) == [["192.0.2.1", 443]]
    program = "import socket\ntry: socket.getaddrinfo('example.org', 80)\nexcept OSError: pass"
    assert [port for _, port in run_alone(place, sys.executable, "-c", program)] == [53]


def test_no_command_writes_to_anybody_nor_outside_of_its_output(place: Path) -> None:
    began = time.time()
    assert orchard(place, "sample", "fruits", "--count", "152") == []
    assert orchard(place, *RUN, "result") == []
    assert run_alone(place, sys.executable, "-c", OPENVINO) == []
    picture = next(place.glob("fruits/**/*.png"), None) or next(place.glob("fruits/**/*.jpg"))
    assert orchard(place, "train", "result") == []
    assert orchard(place, "predict", "result", str(picture)) == []
    assert run_alone(place, sys.executable, "-c", SERVE_AND_ASK, ASK, str(picture)) == []
    assert {path.name for path in place.iterdir()} == {"fruits", "result"}
    home = place.with_name("home")
    written = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert {name for name in written if not name.startswith(".cache/matplotlib/fontlist-")} == set()
    changed = [path for path in elsewhere() if path.lstat().st_mtime >= began]
    assert changed == []


def elsewhere() -> list[Path]:
    """What belongs to the user, or to the interpreter."""
    import orchard

    places = (Path(orchard.__file__).parent, Path.home() / ".cache", Path.home() / "intel")
    return [path for folder in places for path in folder.rglob("*")]
