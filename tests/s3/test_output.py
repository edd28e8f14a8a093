"""Objects of OUTPUT: whole, written once, every failure a sentence."""

from __future__ import annotations

import pytest
from s3.proxy import Answer, Lost, Reset

from orchard.errors import TableError
from orchard.records import ERRORS
from orchard.storage import Storage
from orchard.store import staging
from orchard.store.output import Output


def test_objects_are_put_in_one_request_each(bucket, proxy):
    output = bucket.output("a folder/out+1")
    output.put("report/index.html", b"1")
    output.create("report/drawn.json", b"2")
    assert [(r.method, r.key, r.headers.get("if-none-match")) for r in proxy.log] == [
        ("PUT", "a folder/out+1/report/index.html", None),
        ("PUT", "a folder/out+1/report/drawn.json", "*"),
    ]
    assert bytes(output.get("report/drawn.json")) == b"2"
    assert output.find("report/drawn.json") == b"2"
    assert output.find("report/classifier.html") is None
    output.move("report/index.html", "export/errors.csv")
    assert output.paths("report") == ["report/drawn.json"]
    assert output.paths("") == ["export/errors.csv", "report/drawn.json"]
    output.delete_folder("report")
    assert set(bucket.contents()) == {"a folder/out+1/export/errors.csv"}


def test_an_object_that_is_there_is_not_created_again(bucket):
    bucket.output().create("x", b"first")
    with pytest.raises(TableError, match=r"cannot write s3://.*/out/x: .* already exists"):
        bucket.output().create("x", b"second")
    assert bucket.read("out/x") == b"first"


@pytest.mark.parametrize("write", ["put", "create"])
@pytest.mark.parametrize(
    "fault",
    [Answer(500, "InternalError"), Answer(503, "SlowDown"), Reset(), Lost()],
    ids=lambda fault: getattr(fault, "code", type(fault).__name__),
)
def test_a_write_is_repeated_until_it_is_known_to_be_there(bucket, proxy, quick, write, fault):
    """Also a conditional one, which object_store itself does not repeat."""
    proxy.inject = lambda request: fault if request.number in (1, 2) else None
    getattr(bucket.output(), write)("x", b"content")
    assert bucket.read("out/x") == b"content"


def test_a_create_that_meets_a_delete_is_repeated(bucket, proxy, quick):
    conflict = Answer(409, "ConditionalRequestConflict")
    proxy.inject = lambda request: conflict if request.number == 1 else None
    bucket.output().create("x", b"content")
    assert bucket.read("out/x") == b"content"


def test_what_workers_stage_is_one_conditional_put(bucket, proxy):
    staging.stage(bucket.output(), "run", "errors", "000000", ERRORS.empty_table())
    (request,) = proxy.log
    assert request.method == "PUT"
    assert request.key.startswith("out/_staging/run/errors/part-run-000000-")
    assert request.headers.get("if-none-match") == "*"


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("put", ("x", b"")),
        ("create", ("x", b"")),
        ("get", ("x",)),
        ("paths", ("x",)),
        ("find", ("x",)),
        ("delete", (["_lock"],)),
        ("delete_folder", ("x",)),
        ("move", ("x", "y")),
    ],
)
def test_a_refusal_is_one_sentence(bucket, proxy, action, arguments):
    proxy.inject = lambda request: Answer(403, "AccessDenied")
    with pytest.raises(TableError, match=r"^cannot (read|write) s3://.*AccessDenied") as caught:
        getattr(bucket.output(), action)(*arguments)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there_is_one_sentence(bucket, quick):
    nobody = Output.at("s3://bucket/out", Storage("http://127.0.0.1:9"))
    with (
        pytest.raises(TableError, match=r"^cannot write s3://bucket/out: ") as caught,
        nobody.lock(),
    ):
        pass
    assert "\n" not in str(caught.value)
