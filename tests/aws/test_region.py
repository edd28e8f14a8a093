"""A job finds its bucket's region by either of AWS's variables, and says why it failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

REGION = "eu-west-3"
EXECUTE = "import sys; from orchard.aws.job import execute; sys.exit(execute(sys.argv[1]))"
DESCRIPTION = {"run": {"sources": ["x"], "include": [], "exclude": [], "output": "o", "size": 7}}
MOVED = b"<Error><Code>PermanentRedirect</Code><Message>address it there</Message></Error>"


class Bucket(BaseHTTPRequestHandler):
    """Answers as S3 does: 301 without a Location to whoever signs for another region."""

    written: dict[str, bytes]

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if f"/{REGION}/s3/" not in self.headers.get("authorization", ""):
            self.reply(301, MOVED)
        elif self.command == "PUT":
            self.written[self.path.partition("?")[0]] = body
            self.reply(200)
        elif self.path.startswith("/bucket/jobs/1/job.json"):
            self.reply(200, json.dumps(DESCRIPTION).encode())
        else:
            self.reply(404)

    do_GET = do_HEAD = do_PUT = answer

    def reply(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("etag", '"1"')
        self.send_header("last-modified", "Mon, 30 Nov 2026 10:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def bucket() -> Iterator[tuple[str, dict[str, bytes]]]:
    written: dict[str, bytes] = {}
    handler = type("Handler", (Bucket,), {"written": written})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", written
        server.shutdown()


def execute(endpoint: str, tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {
        "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "none", "AWS_ENDPOINT_URL": endpoint,
    }  # fmt: skip
    known = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-c", EXECUTE, "s3://bucket/jobs/1"],
        env=known | own | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_either_variable_of_the_region_is_enough_and_a_wrong_description_is_told(
    bucket: tuple[str, dict[str, bytes]], tmp_path: Path, variable: str
) -> None:
    endpoint, written = bucket
    done = execute(endpoint, tmp_path, **{variable: REGION})
    assert done.returncode == 2, done.stderr
    assert "--size 7: expected a whole number of pixels" in done.stderr
    told = json.loads(written["/bucket/jobs/1/progress.json"])
    assert (told["phase"], told["exit_code"]) == ("failed", 2)
    assert told["detail"].startswith("--size 7: ")


def test_a_job_that_cannot_reach_its_folder_says_so_in_its_log(
    bucket: tuple[str, dict[str, bytes]], tmp_path: Path
) -> None:
    endpoint, written = bucket
    done = execute(endpoint, tmp_path, AWS_REGION="us-east-1")
    assert done.returncode == 5, done.stderr
    assert "warning: cannot read s3://bucket/jobs/1/job.json: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not written
