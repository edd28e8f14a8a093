"""Keys come from AWS's standard chain, in the driver and in the workers, and end up nowhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from s3.proxy import proxy_to

from orchard.store.output import Output
from orchard.store.snapshot import SCHEMAS
from orchard.store.tables import Tables

pytestmark = pytest.mark.s3

KEY, SECRET = "AKIAORCHARDTESTS", "hush-orchard-secret-key"  # as in the suite's environment


@pytest.fixture
def orchard(monkeypatch):
    """The command, in a process of its own with an environment of its own."""

    def orchard(*arguments, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
        command = [sys.executable, "-c", "from orchard.cli import main; main()", "run"]
        options = ["--weights", "fruit", "--size", "32", "--components", "5"]
        return subprocess.run(
            [*command, *map(str, arguments), *options],
            capture_output=True,
            text=True,
            env=dict(os.environ),
        )

    return orchard


@pytest.fixture
def buckets(photos, tmp_path):
    """A folder that holds the bucket "fruits"."""
    shutil.copytree(photos, tmp_path / "buckets/fruits/photos")
    return tmp_path / "buckets"


@pytest.fixture
def credentials_file(tmp_path):
    """AWS' shared file: a profile with the right keys, and a default with wrong ones."""
    path = tmp_path / "credentials"
    path.write_text(
        "[default]\naws_access_key_id = wrong\naws_secret_access_key = wrong\n"
        f"[harvest]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    )
    return str(path)


NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def test_keys_from_the_environment_open_a_server_that_asks_for_them(
    orchard, rclone, buckets, tmp_path
):
    with rclone(buckets, "--auth-key", f"{KEY},{SECRET}") as endpoint:
        right = orchard("s3://fruits/photos", tmp_path / "out", "--endpoint-url", endpoint)
        assert right.returncode == 0, right.stderr
        assert "Traceback" not in right.stderr
        wrong = orchard(
            "s3://fruits/photos",
            tmp_path / "b",
            "--endpoint-url",
            endpoint,
            AWS_SECRET_ACCESS_KEY="not-this-one",
        )
        assert wrong.returncode == 3
        (line,) = wrong.stderr.splitlines()
        assert "cannot list s3://fruits/photos: " in line
        assert "SignatureDoesNotMatch" in line


def test_a_profile_of_the_shared_file_serves_source_and_output(
    orchard, rclone, buckets, tmp_path, credentials_file
):
    """delta-rs reads that file by itself; it must come to the same keys."""
    with rclone(buckets, "--auth-key", f"{KEY},{SECRET}") as endpoint:
        done = orchard(
            "s3://fruits/photos",
            "s3://fruits/out",
            "--endpoint-url",
            endpoint,
            **NO_KEYS,
            AWS_SHARED_CREDENTIALS_FILE=credentials_file,
            AWS_PROFILE="harvest",
        )
    assert done.returncode == 0, done.stderr
    assert Tables(Output.at(buckets / "fruits/out"))["components"].n_rows == 40


def test_without_keys_requests_are_not_signed(orchard, rclone, buckets, tmp_path):
    with rclone(buckets) as endpoint, proxy_to(endpoint) as proxy:
        done = orchard(
            "s3://fruits/photos", tmp_path / "out", "--endpoint-url", proxy.endpoint, **NO_KEYS
        )
        assert done.returncode == 0, done.stderr
        assert len(proxy.count("GET", under="photos/")) == 40
        assert not any("authorization" in request.headers for request in proxy.log)


def test_no_key_is_written_or_printed(orchard, bucket, proxy, photos, tmp_path):
    bucket.upload(photos)
    bucket.put("photos/plum/broken.png", b"no picture")
    log = tmp_path / "events"
    paths = (bucket.url("photos"), bucket.url("out"))
    done = orchard(*paths, "--endpoint-url", proxy.endpoint, "--event-log", log)
    assert done.returncode == 0, done.stderr
    written = [bucket.read(key) for key in bucket.contents("out/")]
    written += [path.read_bytes() for path in log.rglob("*") if path.is_file()]
    written += [done.stdout.encode(), done.stderr.encode()]
    assert len(written) > 10
    for table in SCHEMAS:  # whose files are compressed
        names = [name for name in SCHEMAS[table].names if name != table]
        written.append(str(Tables(bucket.output()).read(table, names).to_pylist()).encode())
    for secret in (KEY, SECRET):
        assert not any(secret.encode() in content for content in written)
