"""Few open files, no temporary folder, an ASCII locale: it works, or one sentence says why not."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import orchard
from orchard import surroundings
from orchard.errors import ConfigError
from orchard.images.source import list_images
from orchard.spark.session import _java_options
from orchard.training import Trained

SMALLEST = ("--size", "32", "--weights", "fruit", "--components", "3", "--no-report")
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
# A shell that can write to its first argument alone, by the name /mnt, then the command.
READ_ONLY = """
mount --bind "$1" /mnt && mount -t tmpfs -o ro none /var/tmp &&
mount -t tmpfs -o ro none /dev/shm && mount --bind /tmp /tmp &&
mount -o remount,ro,bind /tmp && shift && exec "$@"
"""
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "bash", "-c", READ_ONLY, "bash")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "orchard", *map(str, arguments)]


def orchard_with(
    limit: int, *arguments: object, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`orchard` with so many open files at most, and these variables."""
    shell = f'ulimit -n {limit}; exec "$@"'
    return subprocess.run(
        ["bash", "-c", shell, "bash", *command(*arguments)],
        env=os.environ | environment, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that it ends with, where nothing else was said."""
    (line,) = done.stderr.splitlines()
    assert not done.stdout
    return line


@pytest.fixture(scope="module")
def few(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures in a folder whose name is not ASCII."""
    folder = tmp_path_factory.mktemp("few") / "poiré"
    for picture in sorted(photos.glob("*/[01].png")):
        (folder / picture.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, folder / picture.parent.name)
    return folder


def test_a_run_with_64_open_files_says_so_and_leaves_nothing(few: Path, tmp_path: Path) -> None:
    done = orchard_with(64, "run", few, tmp_path / "out", *SMALLEST, "--quiet")
    assert done.returncode == 2
    assert sentence(done) == (
        "orchard: ulimit -n 64: Spark needs at least 512 open files, and more on many cores; raise "
        "the limit, for example: ulimit -n 4096"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_the_least_that_is_asked_for_is_enough_for_a_run(few: Path, tmp_path: Path) -> None:
    run = ("run", few, tmp_path / "out", *SMALLEST, "--master", "local[2]", "--quiet")
    done = orchard_with(surroundings.OPEN_FILES, *run, LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, "")
    assert orchard.open(str(tmp_path / "out")).components().num_rows == 8


@pytest.mark.long
def test_every_command_without_spark_works_with_64_open_files(
    trained_copy: Path, trained: Trained, rendered: Path, tmp_path: Path
) -> None:
    for arguments in (
        ("export", trained_copy, "--format", "csv", "--to", tmp_path / "csv"),
        ("compare", trained_copy, trained_copy),
        ("report", trained_copy),
        ("predict", trained_copy, min(rendered.glob("*/*.jpg"))),
        ("train", trained_copy, "--kind", "logistic", "--folds", 2),
        ("erase", trained_copy, "--path", min(rendered.glob("*/*.jpg"))),
        ("vacuum", trained_copy),
    ):
        done = orchard_with(64, *arguments)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr


def test_whatever_library_runs_out_of_files_it_ends_in_a_sentence(tmp_path: Path) -> None:
    """The same error as from the system, at a place where no limit would be reached in a test."""
    code = (
        "import os, orchard.model.registry as r\n"
        "class Cards(dict):\n"
        "    def values(self):\n"
        "        while True: os.open('/dev/null', os.O_RDONLY)\n"
        "r.CARDS = Cards()\n"
        "from orchard.cli import main\n"
        "main(['models'])"
    )
    done = subprocess.run(
        ["bash", "-c", 'ulimit -n 64; exec "$@"', "bash", sys.executable, "-c", code],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert sentence(done).startswith("orchard: ulimit -n 64: too few open files for this command; ")


@cache
def can_hide_folders() -> bool:
    """Whether the system lets a command see /tmp as read-only."""
    if not shutil.which("unshare"):
        return False
    return not subprocess.run([*UNSHARE, "/mnt", "true"], capture_output=True).returncode


def test_a_run_without_a_temporary_folder_says_so(few: Path, tmp_path: Path) -> None:
    """Where the system does not let us hide /tmp, Python is told that there is none."""
    environment = {key: value for key, value in os.environ.items() if key != "TMPDIR"}
    if can_hide_folders():
        asked = [*UNSHARE, tmp_path, *command("run", few, "/mnt/out", *SMALLEST)]
    else:
        none = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/proc']"
        code = f"{none}\nfrom orchard.cli import main\nmain(prog_name='orchard')"
        asked = [sys.executable, "-c", code, "run", few, tmp_path / "out", *SMALLEST]
    done = subprocess.run(
        asked, cwd="/proc/self" if can_hide_folders() else "/", env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert sentence(done) == (
        "orchard: no temporary folder: neither TMPDIR nor /tmp nor /var/tmp can be written; set "
        "TMPDIR to a folder that can"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_java_takes_the_temporary_folder_that_python_takes(few: Path, tmp_path: Path) -> None:
    """TMPDIR, its name in need of quoting, where /tmp cannot be written."""
    name = 'a "b\\c'
    (tmp_path / name).mkdir()
    place, begin = (Path("/mnt"), [*UNSHARE, tmp_path]) if can_hide_folders() else (tmp_path, [])
    run = command("run", few, place / "out", *SMALLEST, "--master", "local[2]", "--quiet")
    done = subprocess.run(
        [*begin, *run], env=os.environ | {"TMPDIR": str(place / name)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert orchard.open(str(tmp_path / "out")).components().num_rows == 8
    assert list((tmp_path / name).iterdir()) == [], "and leaves nothing in it"
    assert _java_options(f"/x/{name}").endswith(' "-Djava.io.tmpdir=/x/a \\"b\\\\c"')


@pytest.mark.parametrize(
    "arguments", [("run", "é", "out"), ("predict", "é", "x.jpg"), ("export", "."), ("models",)]
)
def test_an_ascii_python_is_told_how_to_read_names(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = orchard_with(1024, *arguments, **ASCII)
    assert done.returncode == 2
    assert sentence(done) == (
        "orchard: this Python reads file names as ASCII: expected UTF-8; unset PYTHONUTF8 or set "
        "it to 1, or choose a locale such as LC_ALL=C.UTF-8"
    )


@pytest.mark.parametrize("name", ["train", "run", "serve"])
def test_help_is_shown_in_ascii_too(name: str) -> None:
    done = orchard_with(1024, name, "--help", **ASCII)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: orchard {name}")


def test_a_stream_gets_escapes_where_its_encoding_lacks_a_letter(
    photo_result: orchard.Result, rendered_result: Path
) -> None:
    """A table of values that are not there: each is an en dash."""
    arguments = ("compare", photo_result.output, rendered_result)
    done = orchard_with(1024, *arguments, PYTHONIOENCODING="ascii")
    assert done.returncode == 9
    assert "\\u2013" in done.stdout
    done = orchard_with(1024, *arguments)
    assert "–" in done.stdout


def test_from_python_an_ascii_python_is_told_too(few: Path) -> None:
    code = "import sys, orchard.images.source as s; s.list_images((sys.argv[1],))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(few)],
        env=os.environ | ASCII, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "ConfigError: this Python reads file names as ASCII" in done.stderr.splitlines()[-1]
    assert list_images((str(few),)).images.num_rows == 8


def test_a_limit_that_suffices_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for most in (resource.RLIM_INFINITY, surroundings.OPEN_FILES):
        monkeypatch.setattr(resource, "getrlimit", lambda _, most=most: (64, most))
        surroundings.check_open_files()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, surroundings.OPEN_FILES - 1))
    with pytest.raises(ConfigError, match=r"^ulimit -n 511: Spark needs at least 512 open files"):
        surroundings.check_open_files()
    assert surroundings.lacking(OSError("anything else")) is None
