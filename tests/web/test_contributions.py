"""Images that people leave: who can read them, who can fill the places, what it costs to count."""

from __future__ import annotations

import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from web.conftest import Client

from orchard.cli import main
from orchard.errors import TableError
from orchard.store import contributions
from orchard.store.names import is_made
from orchard.store.output import Output
from orchard.web import places

JPEG = {"content-type": "image/jpeg"}
OLD = "7K3M-Q9XW-2RPD-H5VA"  # up to 0.1.0 a code was a file's name


@pytest.fixture
def empty(output: Path) -> Output:
    place = Output.at(output)
    place.delete(place.paths("contributions"))
    return place


def modes(place: Output) -> dict[str, int]:
    folder = Path(place.root, "contributions")
    found = {file.suffix: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    return found | {"": stat.S_IMODE(folder.stat().st_mode)}


def put_old(place: Output, kept_until: str = "2999-01-01") -> None:
    record = {"code": OLD, "given": "2026-01-01", "kept_until": kept_until}
    place.put_json(f"contributions/{OLD}.json", record)
    place.put(f"contributions/{OLD}.jpg", b"jpeg")


def test_nobody_else_can_read_what_was_given_or_tell_its_code(
    client: Client, empty: Output, photo: bytes
) -> None:
    Path(empty.root, "contributions").mkdir(exist_ok=True)
    Path(empty.root, "contributions").chmod(0o755)
    code = client().post("/api/contributions", content=photo, headers=JPEG).json()["code"]
    assert modes(empty) == {"": 0o700, ".jpg": 0o600, ".json": 0o600}
    paths = empty.paths("contributions")
    assert len(paths) == 2
    for path in paths:
        assert is_made(path)
        for written in (path.encode(), bytes(empty.get(path))):
            for spelling in (code, code.replace("-", ""), code.lower()):
                assert spelling.encode() not in written


def test_a_folder_that_others_could_enter_is_closed_when_a_server_begins(
    client: Client, empty: Output
) -> None:
    put_old(empty)
    folder = Path(empty.root, "contributions")
    folder.chmod(0o755)
    contributions.tidy(empty)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_command_erases_by_code_what_was_given_before_and_since(empty: Output) -> None:
    put_old(empty)
    new = contributions.add(empty, b"jpeg", keep_days=9)
    for code in (OLD, new.code):
        assert contributions.is_kept(empty, code)
        done = CliRunner().invoke(main, ["erase", empty.root, "--contribution", code.lower()])
        assert (done.exit_code, done.output) == (0, f"erased: {code}\n")
        assert not contributions.is_kept(empty, code)
    assert empty.paths("contributions") == []


def test_what_was_given_before_expires_and_is_erased_on_the_page(
    client: Client, empty: Output
) -> None:
    put_old(empty, "2026-01-01")
    assert contributions.expire(empty, "2025-12-31") == 0
    assert contributions.expire(empty, "2026-01-01") == 1
    put_old(empty)
    assert client().delete(f"/api/contributions/{OLD}").status_code == 204
    assert empty.paths("contributions") == []


def test_one_client_cannot_take_the_places_of_all(
    client: Client, empty: Output, photo: bytes
) -> None:
    http = client(behind_proxy=True, rate=0, contributions_per_address=2, max_contributions=5)

    def give(address: str) -> tuple[int, str]:
        # As uvicorn does with X-Forwarded-For.
        http._transport.client = (address, 1)  # type: ignore[attr-defined]
        found = http.post("/api/contributions", content=photo, headers=JPEG)
        return found.status_code, found.json()["code"]

    first = give("203.0.113.9")
    assert [give("203.0.113.9")[0], give("203.0.113.9")] == [201, (429, "too_many_contributions")]
    house = ["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:ffff::3"]
    assert [give(address)[0] for address in house] == [201, 201, 429]
    assert give("203.0.113.7")[0] == 201
    assert give("203.0.113.8") == (503, "full")
    assert http.delete(f"/api/contributions/{first[1]}").status_code == 204
    assert give("203.0.113.9")[0] == 201


def test_storing_lists_no_files_and_the_count_is_right_after_restarts_and_erasures(
    client: Client, empty: Output, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(places, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr("orchard.web.app._expire", lambda _: None)
    listed = 0
    everything = Output.everything

    def counted(self: Output, folder: str) -> object:
        nonlocal listed
        listed += folder == "contributions"
        return everything(self, folder)

    monkeypatch.setattr(Output, "everything", counted)
    put_old(empty)

    def give(http: object) -> int:
        return http.post("/api/contributions", content=photo, headers=JPEG).status_code  # type: ignore[attr-defined, no-any-return]

    first = client(max_contributions=4)
    assert give(first) == 201
    begun = listed
    assert [give(first), give(first), give(first)] == [201, 201, 503]
    assert give(first) == 503
    assert listed == begun, "not even by those who are turned away, more than once a minute"
    restarted = client(max_contributions=4)
    assert give(restarted) == 503
    contributions.erase(empty, OLD)  # by another process, of which a server hears nothing
    now = 61.0
    assert [give(restarted), give(restarted)] == [201, 503]
    add = contributions.add
    monkeypatch.setattr(contributions, "add", refuse)
    now = 122.0
    for name in contributions.kept(empty)[:1]:
        empty.delete([f"contributions/{name}.jpg", f"contributions/{name}.json"])
    assert [give(restarted), give(restarted)] == [503, 503]
    monkeypatch.setattr(contributions, "add", add)
    assert give(restarted) == 201, "a place that could not be used is free again"


def refuse(*_: object, **__: object) -> None:
    raise TableError("the disk is full")


def test_a_write_that_was_killed_leaves_nothing_that_stays(empty: Output) -> None:
    given = contributions.add(empty, b"jpeg", keep_days=9)
    half = "contributions/0123456789abcdef0123456789abcdef.part"
    empty.put(half, b"half a")
    assert contributions.kept(empty) == [contributions.name_of(given.code)]
    assert contributions.expire(empty, given.given) == 0
    contributions.tidy(empty)
    assert half not in empty.paths("contributions")
    assert contributions.is_kept(empty, given.code)
