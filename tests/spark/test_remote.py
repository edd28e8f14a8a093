"""Spark Connect, as far as it needs no server: what is missing is named, and what is sent is whole.

With a server: tests/connect."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from orchard.errors import ConfigError
from orchard.spark import remote, shipped
from orchard.spark.connect import check_server
from orchard.spark.session import _start

URL = "sc://127.0.0.1:1"


def test_without_the_clients_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyspark, "__version__", "4.0.0")
    monkeypatch.setitem(sys.modules, "grpc", None)
    with (
        pytest.raises(ConfigError, match=r"orchard-images\[connect\]") as raised,
        remote.remote_session(URL),
    ):
        pass
    assert str(raised.value).startswith(f"--master {URL}")
    assert "grpc" in str(raised.value)


def test_pyspark_3_is_refused_and_the_way_out_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyspark, "__version__", "3.5.9")
    expected = rf"^--master {URL}: Spark Connect needs PySpark 4\.0 or newer, and this is 3\.5\.9;"
    with pytest.raises(ConfigError, match=expected), remote.remote_session(URL):
        pass


@pytest.mark.parametrize("version", ["3.5.9", "3.4.1"])
def test_a_server_of_spark_3_is_refused_before_anything_is_sent(version: str) -> None:
    """Its workers fail with "Can't get attribute '_function_setstate'" of cloudpickle."""
    with pytest.raises(ConfigError, match=rf"server runs Spark {version}: expected 4\.0 or newer"):
        check_server(version)


def test_a_server_of_spark_4_is_taken() -> None:
    check_server("4.0.0")
    check_server("10.1.2-preview")


def test_spark_remote_in_the_environment_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPARK_REMOTE", URL)
    with pytest.raises(ConfigError, match=rf"SPARK_REMOTE={URL}: unset it for --master local\[2\]"):
        _start("local[2]", None, ui=False)


FROM_THE_ZIP = """
import orchard, sys
assert orchard.__file__.startswith(sys.argv[1]), orchard.__file__
from orchard.model import load_model
from orchard.spark import passes, batches
from orchard.images.apart import Decoder
from pathlib import Path
with Decoder() as decoder:
    (found,) = decoder.decode([Path(sys.argv[2]).read_bytes()], 32)
sys.stdout.write(f"{load_model('fruit', 32).dim} {found.array.shape}")
"""


def test_what_is_sent_to_the_workers_works_out_of_its_zip_file(
    photos: Path, tmp_path: Path
) -> None:
    """The embedded weights, and the process that decodes images, too."""
    archive, photo = shipped.archive(), next(photos.glob("*/*.png"))
    done = subprocess.run(
        [sys.executable, "-c", FROM_THE_ZIP, str(archive), str(photo)],
        env=os.environ | {"PYTHONPATH": str(archive)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "1280 (32, 32, 3)", done.stderr


def test_the_same_code_makes_the_same_archive_and_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shipped.archive()
    monkeypatch.setenv("ORCHARD_CACHE", str(tmp_path))
    shipped.archive.cache_clear()
    second = shipped.archive()
    shipped.archive.cache_clear()
    assert second.is_relative_to(tmp_path)
    assert (first.name, first.read_bytes()) == (second.name, second.read_bytes())
    assert first.stat().st_size < 8_000_000
