"""A bucket that cannot be used ends the command with one line that says so."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from s3.proxy import Answer, Reset

from orchard.cli import main

DENIED = {
    "AccessDenied": Answer(403, "AccessDenied"),
    "SignatureDoesNotMatch": Answer(403, "SignatureDoesNotMatch"),
    "InvalidAccessKeyId": Answer(403, "InvalidAccessKeyId"),
    "ExpiredToken": Answer(400, "ExpiredToken"),
}


@pytest.fixture
def orchard(proxy):
    def orchard(*arguments):
        command = ["run", *map(str, arguments), "--weights", "fruit"]
        return CliRunner().invoke(main, [*command, "--endpoint-url", proxy.endpoint])

    return orchard


def only_line(result):
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("orchard: ")
    return line


@pytest.mark.parametrize("code", DENIED)
def test_a_source_that_may_not_be_listed(orchard, bucket, proxy, tmp_path, code):
    proxy.inject = lambda request: DENIED[code]
    result = orchard(bucket.url("photos"), tmp_path / "out")
    assert result.exit_code == 3
    assert f"cannot list {bucket.url('photos')}" in only_line(result)
    assert code in only_line(result)


@pytest.mark.parametrize("code", DENIED)
def test_an_output_that_is_refused(orchard, bucket, proxy, photos, code):
    proxy.inject = lambda request: DENIED[code]
    result = orchard(photos, bucket.url("out"))
    assert result.exit_code == 5
    assert f"cannot read {bucket.url('out')}" in only_line(result)
    assert code in only_line(result)


def test_a_table_that_may_not_be_read(orchard, bucket, proxy, photos):
    denied = DENIED["AccessDenied"]
    proxy.inject = lambda request: denied if "/_delta_log/" in request.key else None
    result = orchard(photos, bucket.url("out"))
    assert result.exit_code == 5
    assert f"cannot read {bucket.url('out')}/" in only_line(result)


def test_a_bucket_that_does_not_exist(orchard, bucket, photos, tmp_path):
    source = orchard("s3://no-such-bucket-here/photos", tmp_path / "out")
    assert (source.exit_code, "NoSuchBucket" in only_line(source)) == (3, True)
    output = orchard(photos, "s3://no-such-bucket-here/out")
    assert output.exit_code == 5
    assert "cannot read s3://no-such-bucket-here/out" in only_line(output)
    assert "no such bucket" in only_line(output)


def test_a_folder_without_an_image_leaves_nothing(orchard, bucket):
    result = orchard(bucket.url("photos"), bucket.url("out"))
    assert result.exit_code == 3
    assert f"no image in {bucket.url('photos')}" in only_line(result)
    assert bucket.contents() == {}


def test_a_server_that_is_not_there(orchard, bucket, proxy, quick, tmp_path, photos):
    proxy.inject = lambda request: Reset()
    source = orchard(bucket.url("photos"), tmp_path / "out")
    assert source.exit_code == 3
    assert "cannot list" in only_line(source)
    output = orchard(photos, bucket.url("out"))
    assert output.exit_code == 5
    assert "cannot read" in only_line(output)


def test_a_profile_that_does_not_exist(orchard, bucket, monkeypatch, tmp_path, photos):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    for arguments in ((bucket.url("photos"), tmp_path / "out"), (photos, bucket.url("out"))):
        result = orchard(*arguments)
        assert result.exit_code == 2
        assert "The config profile (nobody) could not be found" in only_line(result)
