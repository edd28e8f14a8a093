"""A result from somebody else makes its reader open no file and ask no address that it names."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from result.damages import invoke
from result.poisoned import loopback, opened_files, poison
from starlette.testclient import TestClient

import orchard
from orchard.errors import DamagedError
from orchard.storage import DEFAULT
from orchard.store import recorded_sources, snapshot
from orchard.store.output import Output
from orchard.store.tables import Tables
from orchard.web.app import create_app
from orchard.web.services import Services
from orchard.web.settings import ServeConfig


@dataclass(frozen=True)
class Poisoned:
    """asked: the addresses that were asked of the server so far. opened: the files."""

    output: Output
    paths: set[str]
    image: bytes
    asked: list[str]
    opened: list[str]

    def assert_none_was_read(self) -> None:
        assert self.asked == []
        assert not self.paths.intersection(self.opened)


@pytest.fixture
def poisoned(trained_copy: Path, tmp_path: Path) -> Iterator[Poisoned]:
    output = Output.at(trained_copy)
    (tmp_path / "secrets").mkdir()
    image = Path(Tables(output).read("features", ["path"])["path"][1].as_py()).read_bytes()
    with loopback(image) as (url, asked):
        paths = poison(output, tmp_path / "secrets", url)
        with opened_files() as opened:
            yield Poisoned(output, paths, image, asked, opened)


def test_the_server_and_the_record_notice_what_is_read(poisoned: Poisoned) -> None:
    """What the other tests rest on."""
    secret = next(p for p in poisoned.paths if "/secrets/" in p)
    confines = recorded_sources.confines(poisoned.output, (secret,))
    assert confines.read(secret, DEFAULT)
    assert poisoned.paths.intersection(poisoned.opened) == {secret}
    url = next(p for p in poisoned.paths if p.startswith("http"))
    confines = recorded_sources.confines(poisoned.output, (url.rpartition("/")[0],))
    confines.read(url, DEFAULT)
    assert poisoned.asked


def test_a_report_shows_none_of_it(poisoned: Poisoned) -> None:
    code, told = invoke("report", poisoned.output.root)
    assert (code, told.splitlines()[0].endswith(" 0 thumbnails")) == (0, True)
    poisoned.assert_none_was_read()


def test_an_export_repeats_the_paths_and_follows_none(poisoned: Poisoned, tmp_path: Path) -> None:
    to = ("--to", str(tmp_path / "exported"), "--features", "--format", "csv")
    assert invoke("export", poisoned.output.root, *to)[0] == 0
    assert "/etc/passwd" in (tmp_path / "exported/components.csv").read_text()
    poisoned.assert_none_was_read()


def test_the_nearest_images_are_named_and_not_read(poisoned: Poisoned) -> None:
    result = orchard.open(poisoned.output.root)
    for image in ("/etc/passwd", poisoned.image):
        found = result.nearest(image, 3)
        assert poisoned.paths.issuperset(found["path"].to_pylist())
    poisoned.assert_none_was_read()


def test_a_server_shows_none_of_it(poisoned: Poisoned) -> None:
    services = Services(ServeConfig(output=poisoned.output.root, answer_seconds=300.0))
    photo = io.BytesIO()
    Image.open(io.BytesIO(poisoned.image)).convert("RGB").save(photo, "JPEG")
    with TestClient(create_app(services), base_url="http://127.0.0.1") as client:
        headers = {"content-type": "image/jpeg"}
        answer = client.post("/api/identify", content=photo.getvalue(), headers=headers).json()
        shown = [client.get(known["thumbnail"]).status_code for known in answer["nearest"]]
    assert shown
    assert set(shown) == {404}
    assert (len(services.thumbnails), services.n_outside > 0) == (0, True)
    poisoned.assert_none_was_read()


@pytest.mark.parametrize(
    "name", ["../../other/x.parquet", "{folder}/x.parquet", "file://{folder}/x.parquet", "%2e%2e/x"]
)
def test_a_log_that_names_a_file_elsewhere_is_refused(
    trained_copy: Path, tmp_path: Path, name: str
) -> None:
    """The file is a sound one of another result, and the log's digest fits."""
    output = Output.at(trained_copy)
    [file, *_] = Tables(output)["features"].files
    (tmp_path / "other").mkdir()
    (tmp_path / "other/x.parquet").write_bytes(bytes(output.get(file.path)))
    named = name.format(folder=tmp_path / "other")
    _name_in_log(output, file.path.removeprefix("features/"), named)
    for command in (("export", "--features"), ("report",), ("privacy",)):
        assert invoke(command[0], output.root, *command[1:])[0] == 5
    with pytest.raises(DamagedError, match="which is no file of this folder"):
        len(Tables(output)["features"].files)
    assert invoke("erase", output.root, "--path", "/etc/passwd", "--yes")[0] in (5, 11)
    assert (tmp_path / "other/x.parquet").exists()


def _name_in_log(output: Output, old: str, new: str) -> None:
    """Put another name into the log's entries, and the digest of what it then says."""
    features = Tables(output)["features"]
    log = Path(output.root, "features/_delta_log")
    state = snapshot.state(features.version, features.names - {old} | {new})
    for entry in log.glob("*.json"):
        lines = [json.loads(line) for line in entry.read_text().splitlines()]
        for action in lines:
            if action.get("add", {}).get("path") == old:
                action["add"]["path"] = new
            if "txn" in action and action["txn"]["appId"] == state.app_id:
                action["txn"]["version"] = state.version
        entry.write_text("".join(json.dumps(action) + "\n" for action in lines))
