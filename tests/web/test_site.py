"""The page as files: named by their content, nothing of single images, replaced as a whole."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchard.classify.files import Classifier, load_classifier
from orchard.cli import main
from orchard.cli.app import MOST_BYTES
from orchard.errors import ConfigError
from orchard.store.output import Output
from orchard.web import ondevice
from orchard.web.folder import write
from orchard.web.privacy_texts import Keeps
from orchard.web.site import Site, site
from orchard.web.static_files import static_files


@pytest.fixture(scope="module")
def classifier(output: Path) -> Classifier:
    return load_classifier(Output.at(output))


@pytest.fixture(scope="module")
def made(classifier: Classifier) -> Site:
    return site(classifier)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_list_names_every_file_by_its_hash_and_the_worker_holds_the_same_list(
    made: Site,
) -> None:
    listed = json.loads(made.files["files.json"])
    held = re.search(r"^const MANIFEST = (.*);$", made.files["sw.js"].decode(), re.M)
    assert held is not None
    assert json.loads(held[1]) == listed
    assert all(sha256(made.files[name]) == digest for name, digest in listed["shell"].items())
    parts = listed["parts"].values()
    assert all(sha256(made.files[part["file"]]) == part["sha256"] for part in parts)
    named = {*listed["shell"], *(part["file"] for part in parts)}
    assert set(made.files) == named | {"files.json", "sw.js", "LICENSES.txt"}


def test_a_first_visit_is_within_what_a_slow_network_brings(made: Site) -> None:
    assert made.by_part["network"] < 4_500_000
    assert made.n_bytes < MOST_BYTES


def test_the_site_holds_nothing_of_single_images(made: Site, classifier: Classifier) -> None:
    parts = {name: content for name, content in made.files.items() if name.endswith(".bin")}
    everything = b"".join([*made.files.values(), *map(gzip.decompress, parts.values())])
    assert classifier.gallery.paths
    for path in classifier.gallery.paths:
        assert path.encode() not in everything
        assert Path(path).name.encode() not in everything
    vectors = classifier.gallery.vectors.astype("float16")
    assert vectors[0].tobytes() not in everything


def test_the_same_classifier_makes_the_same_files(made: Site, classifier: Classifier) -> None:
    assert site(classifier).files == made.files


def test_a_folder_of_files_states_its_own_policy_and_a_server_states_it_in_a_header(
    made: Site, classifier: Classifier
) -> None:
    page = made.files["index.html"].decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "http" not in policy[1]
    served = site(classifier, Keeps(contributions=True, days=3)).files["index.html"]
    assert b"http-equiv" not in served


def test_the_runtime_is_the_one_whose_checksums_lie_beside_it() -> None:
    lines = ondevice.VENDOR.joinpath("SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in map(str.split, lines)}
    packed = ondevice.VENDOR.joinpath("runtime.wasm.gz").read_bytes()
    script = ondevice.VENDOR.joinpath("runtime.js").read_bytes()
    found = {"runtime.wasm": gzip.decompress(packed), "runtime.wasm.gz": packed}
    kernel = re.search(r'KERNEL =\s+"([^"]*)"', static_files()["narrow.js"].decode())
    assert kernel is not None
    found |= {"runtime.js": script, "narrow.wasm": base64.b64decode(kernel[1])}
    assert {name: sha256(content) for name, content in found.items()} == sums
    assert not re.search(rb"new Function|\beval\(", script), "the policy allows neither"


def test_a_folder_is_written_again_without_leaving_what_the_last_one_left(
    made: Site, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    write(made, folder)
    assert {path.name for path in folder.iterdir()} == set(made.files)
    listed = json.loads(made.files["files.json"])
    listed["parts"]["network"]["file"] = "network.other.bin"
    files = {name: content for name, content in made.files.items() if "network." not in name}
    files |= {"network.other.bin": b"other", "files.json": json.dumps(listed).encode()}
    files["network.js"] = made.files["network.js"]
    write(Site(files, "other", {}), folder)
    assert {path.name for path in folder.iterdir()} == set(files)


def test_the_command_writes_the_site_and_says_what_a_first_visit_brings(
    output: Path, made: Site, tmp_path: Path
) -> None:
    done = CliRunner().invoke(main, ["app", str(output), str(tmp_path / "site")])
    assert done.exit_code == 0, done.output
    assert f"First visit: {made.n_bytes / 1e6:.1f} MB" in done.output
    assert {path.name for path in (tmp_path / "site").iterdir()} == set(made.files)
    refused = CliRunner().invoke(main, ["app", str(output), "s3://bucket/site"])
    assert refused.exit_code == 2
    assert "expected a folder of this machine" in refused.output


def test_a_folder_of_other_files_is_left_alone(made: Site, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="name an empty or new folder"):
        write(made, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(ConfigError, match="expected a folder"):
        write(made, tmp_path / "mine.txt")
