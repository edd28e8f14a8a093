"""The API: what it answers, what it refuses, what it leaves behind."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import shutil
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from corpus import bad_files, good_files
from PIL import Image
from web.conftest import PATIENT, Client

from orchard.classify.files import load_classifier, pack, save_classifier
from orchard.classify.predictor import Predictor
from orchard.errors import ClassifierError
from orchard.records import Reason
from orchard.store import accepted, contributions, reviews
from orchard.store.erase import erase
from orchard.store.output import Output
from orchard.web import app, limits
from orchard.web.app import create_app
from orchard.web.guard import Guard
from orchard.web.logs import REQUESTS, JsonLines
from orchard.web.services import Services
from orchard.web.settings import ServeConfig

JPEG = {"content-type": "image/jpeg"}
STATUS = {"empty": 400, "not_an_image": 415, "too_many_pixels": 413}


def test_an_answer_is_that_of_the_predictor_in_the_asked_language(
    client: Client, output: Path, photo: bytes
) -> None:
    (expected,) = Predictor.load(output).predict([photo])
    found = client().post("/api/identify?lang=fr", content=photo, headers=JPEG)
    assert found.status_code == 200
    answer = found.json()
    assert answer["answer"] == expected.answer
    assert [guess["id"] for guess in answer["species"]] == [g.label for g in expected.species]
    assert answer["species"][0]["probability"] == round(expected.species[0].probability, 6)
    assert [known["label"] for known in answer["nearest"]] == [k.label for k in expected.nearest]
    assert set(answer["seconds"]) == {"wait", "decode", "network", "answer"}
    assert found.headers["content-language"] == "fr"
    assert found.headers["cache-control"] == "no-store"


def test_the_card_is_of_the_best_species_and_in_both_languages(
    client: Client, photo: bytes
) -> None:
    http = client()
    answers = {
        lang: http.post("/api/identify", content=photo, headers=JPEG | {"accept-language": lang})
        for lang in ("en-GB,fr;q=0.5", "de, fr-CA;q=0.9, en;q=0.1")
    }
    english, french = (answer.json() for answer in answers.values())
    assert (english["language"], french["language"]) == ("en", "fr")
    if english["answer"] in ("not_a_fruit", "either"):
        assert english["card"] is None
    else:
        assert english["card"]["id"] == english["species"][0]["id"]
        assert english["card"]["origin"]["text"] != french["card"]["origin"]["text"]
        cited = {source["id"] for source in english["card"]["sources"]}
        assert set(english["card"]["biodiversity"]["sources"]) <= cited


def test_a_form_with_one_file_gives_the_same_answer(client: Client, photo: bytes) -> None:
    http = client()
    alone = http.post("/api/identify", content=photo, headers=JPEG).json()
    form = http.post("/api/identify", files={"image": ("../../etc/passwd", photo)}).json()
    assert form["species"] == alone["species"]
    assert http.post("/api/identify", files={}, data={"a": "b"}).status_code == 415
    six = [("image", ("a.jpg", photo))] * 6
    assert http.post("/api/identify", files=six).json()["code"] == "bad_form"


def test_several_photos_get_one_answer_and_one_that_is_none_has_no_say(
    client: Client, output: Path, photo: bytes
) -> None:
    other = io.BytesIO()
    Image.open(io.BytesIO(photo)).convert("RGB").rotate(90).resize((60, 40)).save(other, "PNG")
    expected, _ = Predictor.load(output).predict_together([photo, other.getvalue()])
    files = [("image", ("a", data)) for data in (photo, b"no photo", other.getvalue())]
    found = client().post("/api/identify", files=files).json()
    assert found["photos"] == {"sent": 3, "read": 2}
    best = expected.species[0]
    assert (found["species"][0]["id"], found["answer"]) == (best.label, expected.answer)
    assert found["species"][0]["probability"] == pytest.approx(best.probability, abs=1e-6)
    none = client().post("/api/identify", files=[("image", ("a", b"no photo"))] * 2)
    assert none.status_code == 415


@pytest.mark.parametrize("crop", ["1,2,3", "5,5,5,9", "a,b,c,d", "-1,0,5,5", "0,0,9999999,1"])
def test_a_part_that_is_none_is_refused(client: Client, photo: bytes, crop: str) -> None:
    found = client().post(f"/api/identify?crop={crop}", content=photo, headers=JPEG)
    assert (found.status_code, found.json()["code"]) == (400, "bad_crop")


def test_what_an_image_is_said_to_be_can_be_told_with_it_and_later(
    client: Client, output: Path, photo: bytes
) -> None:
    http, place = client(), Output.at(output)
    species = http.get("/api/openapi.json").json()["paths"]["/api/contributions"]["post"]
    (ids,) = [p["schema"]["enum"] for p in species["parameters"] if p["name"] == "said_to_be"]
    said = {"said_to_be": ids[0], "giver": 32 * "a"}
    given = http.post("/api/contributions", params=said, content=photo, headers=JPEG).json()
    assert given["said_to_be"] == ids[0]
    assert given["giver"] == contributions.giver_of(32 * "a")
    address = f"/api/contributions/{given['code']}"
    assert http.put(address, params={"said_to_be": "other"}).status_code == 204
    name = contributions.name_of(given["code"])
    (listed,) = [one for one in reviews.listed(place) if one.name == name]
    assert listed.said_to_be == "other"
    for wrong in ({}, {"said_to_be": "Grandma's"}):
        assert http.put(address, params=wrong).json()["code"] == "no_such_species"
    foreign = {"origin": "http://example.org"}
    assert http.put(address, params={"said_to_be": "other"}, headers=foreign).status_code == 403
    bad = http.post("/api/contributions?giver=me", content=photo, headers=JPEG)
    assert bad.json()["code"] == "bad_giver"
    assert http.delete(address).status_code == 204
    assert http.put(address, params={"said_to_be": "other"}).json()["code"] == "no_such_code"


def test_a_photo_that_somebody_gave_is_not_shown_to_others(
    output: Path, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = Services(ServeConfig(output=str(output)))
    gallery = load_classifier(Output.at(output)).gallery
    n_shown = len(services.thumbnails)
    own = f"{output}/{accepted.place('Apple', None, 32 * 'a')}"
    with_given = replace(gallery, paths=(own, *gallery.paths[1:]))
    classifier = replace(load_classifier(Output.at(output)), gallery=with_given)
    monkeypatch.setattr("orchard.web.services.load_classifier", lambda *_: classifier)
    services._load()
    assert n_shown - 1 == len(services.thumbnails)
    assert services.thumbnails.name(own) not in services.thumbnails
    services.close()


def test_every_bad_file_is_a_clear_refusal_and_every_good_one_an_answer(client: Client) -> None:
    http = client(rate=0)
    for name, (data, expected) in bad_files().items():
        found = http.post("/api/identify", content=data, headers=JPEG)
        assert found.headers["content-type"] == "application/problem+json", name
        assert found.json()["code"] == expected.reason.value, name
        assert found.status_code == STATUS.get(expected.reason.value, 422), name
    for name, (data, _) in good_files().items():
        found = http.post("/api/identify", content=data, headers={"content-type": "image/png"})
        assert found.status_code == 200, name


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/identify", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/%2e%2e%2fapp.py", 404),
        ("GET", "/static/index.html", 404),
        ("GET", "/api/thumbnails/..%2f..%2fcard.json", 404),
        ("GET", "/api/thumbnails/0123456789abcdef", 404),
        ("DELETE", "/api/contributions/..%2f..%2fcurrent", 404),
        ("DELETE", "/api/contributions/0000-0000-0000-0000", 404),
    ],
)
def test_no_path_leads_elsewhere(client: Client, method: str, path: str, status: int) -> None:
    found = client().request(method, path)
    assert found.status_code == status
    assert found.json()["status"] == status


def test_limits_are_told(client: Client, photo: bytes) -> None:
    small = client(max_bytes=1000)
    assert small.post("/api/identify", content=bytes(1001), headers=JPEG).status_code == 413
    chunks = (bytes(400) for _ in range(3))  # no length announced
    assert small.post("/api/identify", content=chunks, headers=JPEG).status_code == 413
    few = client(max_pixels=10)
    assert few.post("/api/identify", content=photo, headers=JPEG).json()["code"] == (
        "too_many_pixels"
    )
    text = {"content-type": "text/plain"}
    assert few.post("/api/identify", content=photo, headers=text).status_code == 415
    other = JPEG | {"sec-fetch-site": "cross-site"}
    assert few.post("/api/identify", content=photo, headers=other).status_code == 403
    assert few.post("/api/identify?lang=de", content=photo, headers=JPEG).status_code == 400


def test_one_address_may_ask_so_often_and_this_machine_as_it_likes(
    client: Client, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: 0.0))  # no bucket refills
    far, here = client("203.0.113.9", rate=2), client(rate=2)
    codes = [far.post("/api/identify", content=photo, headers=JPEG) for _ in range(3)]
    assert [found.status_code for found in codes] == [200, 200, 429]
    assert int(codes[2].headers["retry-after"]) > 0
    for _ in range(3):
        assert here.post("/api/identify", content=photo, headers=JPEG).status_code == 200


def test_nearest_images_are_shown_small_under_names_that_say_nothing(
    client: Client, photo: bytes, rendered: Path
) -> None:
    http = client()
    answer = http.post("/api/identify", content=photo, headers=JPEG)
    assert str(rendered) not in answer.text
    for known in answer.json()["nearest"]:
        picture = http.get(known["thumbnail"])
        assert picture.headers["content-type"] == "image/jpeg"
        assert max(Image.open(io.BytesIO(picture.content)).size) <= 240


def test_a_contribution_is_stored_without_exif_and_erased_by_its_code(
    client: Client, output: Path, photo: bytes
) -> None:
    http, place = client(), Output.at(output)
    given = http.post("/api/contributions", content=photo, headers=JPEG)
    assert given.status_code == 201
    code = given.json()["code"]
    stored = bytes(place.get(f"contributions/{contributions.name_of(code)}.jpg"))
    assert b"Camera-of-Somebody" in photo
    assert b"Camera-of-Somebody" not in stored
    assert dict(Image.open(io.BytesIO(stored)).getexif()) == {}
    spoken = code.lower().replace("-", " ").replace("0", "o")
    assert http.delete(f"/api/contributions/{spoken}").status_code == 204
    assert not contributions.is_kept(place, code)
    assert http.delete(f"/api/contributions/{code}").status_code == 404


def test_contributions_end_with_their_time(output: Path) -> None:
    place = Output.at(output)
    given = contributions.add(place, b"jpeg", keep_days=3)
    assert contributions.expire(place, given.given) == 0
    place.put("contributions/0000-0000-0000-0000.jpg", b"without a record, so without a limit")
    assert contributions.expire(place, given.kept_until) == 2
    for code in (given.code, "0000-0000-0000-0000"):
        assert not contributions.is_kept(place, code)


def test_a_server_deletes_what_is_over_by_itself(
    client: Client, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()

    def expire(output: Output) -> None:
        try:
            contributions.expire(output)
        finally:
            looked.set()

    monkeypatch.setattr(app, "expire", expire)
    place = Output.at(output)
    given = contributions.add(place, b"jpeg", keep_days=1)
    record = f"contributions/{contributions.name_of(given.code)}.json"
    place.put_json(record, {"kept_until": "2000-01-01"})
    client()
    assert looked.wait(PATIENT["answer_seconds"])
    assert not contributions.is_kept(place, given.code)


def test_an_expiry_that_meets_an_erasure_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Output.at(tmp_path)
    given = [contributions.add(place, b"jpeg", keep_days=3) for _ in range(2)]
    listed = place.paths("contributions")
    contributions.erase(place, given[0].code)
    monkeypatch.setattr(Output, "paths", lambda *_: listed)  # as it was a moment ago
    assert contributions.expire(place, given[0].given) == 0
    monkeypatch.undo()
    assert contributions.is_kept(place, given[1].code)


def test_a_contribution_that_cannot_be_stored_is_a_refusal_without_its_code_in_the_log(
    client: Client, output: Path, photo: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = shutil.copytree(output, tmp_path / "out")
    shutil.rmtree(copy / "contributions", ignore_errors=True)
    (copy / "contributions").write_bytes(b"a file is in the way")
    http = client(output=str(copy))
    given = http.post("/api/contributions", content=photo, headers=JPEG)
    assert (given.status_code, given.json()["code"]) == (503, "not_now")
    logged = "\n".join(JsonLines().format(record) for record in caplog.records)
    assert "contributions cannot be written" in logged
    assert not re.search(r"(\w{4}-){3}", logged)


def test_a_running_server_takes_up_an_erasure_and_another_training(
    output: Path, photo: bytes, tmp_path: Path
) -> None:
    copy = Output.at(shutil.copytree(output, tmp_path / "out"))
    services = Services(ServeConfig(output=copy.root))
    first = services.predictor
    erased, kept = (known.path for known in first.predict([photo])[0].nearest[:2])
    names = [services.thumbnails.name(path) for path in (erased, kept)]
    services.refresh()
    assert services.predictor is first
    erase(copy, [erased])
    services.refresh()
    assert [name in services.thumbnails for name in names] == [False, True]
    assert services.predictor.predict([photo])[0].nearest[0].path == kept
    found = load_classifier(copy)
    card = replace(found.card, created="later")
    packed = pack(found.head, found.space, found.landmarks)
    save_classifier(copy, card, packed, found.network.onnx, found.gallery, {})
    services.refresh()
    assert services.predictor.card.classifier_id == card.classifier_id
    copy.put(f"models/classifier/{card.classifier_id}/gallery.json", b'{"sha256": "half written"}')
    with pytest.raises(ClassifierError):
        services.refresh()
    assert services.predictor.predict([photo])[0].species


def test_a_client_that_is_gone_is_counted_as_such(output: Path) -> None:
    services = Services(ServeConfig(output=str(output)))
    came = [{"type": "http.request", "body": b"\xff\xd8", "more_body": True}]

    async def receive() -> dict[str, Any]:
        return came.pop() if came else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    headers = [(b"content-type", b"image/jpeg"), (b"content-length", b"99")]
    scope = {"type": "http", "method": "POST", "path": "/api/identify", "headers": headers,
             "query_string": b"", "client": ("127.0.0.1", 1)}  # fmt: skip
    asyncio.run(create_app(services)(scope, receive, send))
    assert 'route="/api/identify",status="499"} 1.0' in services.metrics.text().decode()


def test_identifying_leaves_nothing_on_disk_and_a_server_may_keep_nothing(
    client: Client, output: Path, photo: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not-there"))
    before = sorted(output.rglob("*"))
    http = client(contributions=False)
    large = photo + bytes(3_000_000)  # what Starlette's own parser would put on disk
    assert http.post("/api/identify", files={"image": large}).status_code == 200
    assert http.post("/api/contributions", content=photo, headers=JPEG).status_code == 404
    assert sorted(output.rglob("*")) == before


def test_every_answer_carries_the_security_headers(client: Client, photo: bytes) -> None:
    http = client()
    answers = [http.get(path) for path in ("/", "/privacy", "/app.js", "/nowhere", "/metrics")]
    answers.append(http.post("/api/identify", content=photo, headers=JPEG))
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy.replace("'wasm-unsafe-eval'", "")
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("of no route"), 500), (asyncio.CancelledError(), 503)]
)
def test_what_breaks_around_the_routes_is_answered_with_the_security_headers_too(
    output: Path, error: BaseException, status: int
) -> None:
    sent: list[Any] = []

    async def broken(*_: Any) -> None:
        raise error

    async def send(message: Any) -> None:
        sent.append(message)

    services = Services(ServeConfig(output=str(output)))
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with suppress(asyncio.CancelledError):
        asyncio.run(Guard(broken, services.metrics, {})(scope, broken, send))
    assert sent[0]["status"] == status
    assert dict(sent[0]["headers"])[b"x-content-type-options"] == b"nosniff"


def test_logs_and_metrics_hold_no_personal_data(
    client: Client, photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    http = client("203.0.113.9")
    with caplog.at_level(logging.INFO, REQUESTS):
        http.post("/api/identify?lang=fr&who=me", files={"image": ("my-holiday.jpg", photo)})
        http.delete("/api/contributions/7K3M-Q9XW-2RPD-H5VA")
        http.get("/some/secret/address")
    lines = [JsonLines().format(record) for record in caplog.records if record.name == REQUESTS]
    assert [json.loads(line)["route"] for line in lines] == [
        "/api/identify", "/api/contributions/{code}", "(none)",
    ]  # fmt: skip
    text = "\n".join(lines) + http.get("/metrics").text
    assert not re.search(r"203\.0\.|holiday|who|testclient|7K3M|secret", text)
    assert 'orchard_requests_total{method="POST",route="/api/identify",status="200"} 1.0' in text


def test_the_document_names_every_route_of_the_api(client: Client) -> None:
    document = client().get("/api/openapi.json").json()
    assert set(document["paths"]) == {
        "/api/identify", "/api/thumbnails/{name}", "/api/contributions",
        "/api/contributions/{code}", "/api/openapi.json", "/health", "/ready", "/metrics",
    }  # fmt: skip
    assert {reason.value for reason in Reason} >= set(STATUS)
    assert client().get("/health").json() == {"status": "alive"}
    assert client().get("/ready").json()["status"] == "ready"


@pytest.mark.parametrize(
    "host",
    ["fruit.example", "fruit.example:8000", "127.0.0.1.example", "[fe80::1]", "a b", "[", ""],
)
def test_a_name_that_others_point_here_reads_nothing(client: Client, host: str) -> None:
    for path in ("/", "/metrics", "/api/openapi.json"):
        found = client().get(path, headers={"host": host})
        assert found.status_code == 421
        assert found.json()["code"] == "misdirected_request"
        assert found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:80", "[::1]:8000"])
def test_this_machines_own_names_are_answered(client: Client, host: str) -> None:
    assert client().get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("opened", [{"host": "0.0.0.0"}, {"behind_proxy": True}])
def test_a_server_for_others_answers_to_any_name(client: Client, opened: dict[str, Any]) -> None:
    found = client(**opened).get("/health", headers={"host": "fruit.example"})
    assert found.status_code == 200
