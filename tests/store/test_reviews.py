"""Photos that people gave: what is decided of them, where they then lie, and that they leave."""

from __future__ import annotations

import stat
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

from orchard.cli import main
from orchard.errors import ConfigError, TableError
from orchard.records import FEATURES
from orchard.store import accepted, contributions, reviews, staging
from orchard.store.names import is_made
from orchard.store.output import Output
from orchard.store.runs import new_run_id
from orchard.store.tables import Tables


@pytest.fixture
def output(tmp_path: Path) -> Output:
    """A result of one image that nobody gave."""
    made = Output.at(tmp_path / "out")
    commit(made, "/photos/own.jpg")
    made.put_json("_orchard.json", {"format": 1, "result": "0" * 16, "made_by": "orchard"})
    return made


def commit(output: Output, path: str) -> None:
    """What a run reads of an image."""
    row = dict.fromkeys(FEATURES.names) | {"path": path, "features": [0.5, 0.25, 1.0]}
    rows = pa.Table.from_pylist([row], FEATURES)
    run = new_run_id()
    Tables(output).commit(run, "features", [staging.stage(output, run, "features", "0", rows)])


def give(output: Output, said_to_be: str | None = "kiwi") -> contributions.Contribution:
    giver = contributions.giver_of("0" * 32)
    return contributions.add(
        output, b"jpeg", keep_days=9, taken_for="lime", said_to_be=said_to_be, giver=giver
    )


def known(output: Output) -> list[str]:
    return sorted(Tables(output).read("features", ["path"])["path"].to_pylist())


def read(output: Output) -> str:
    """As a run would: the accepted photo becomes a row of features."""
    (path,) = output.paths(accepted.FOLDER)
    commit(output, output.uri(path))
    return output.uri(path)


def test_a_photo_waits_until_somebody_has_looked_at_it(output: Output) -> None:
    code = give(output).code
    (waiting,) = reviews.listed(output)
    assert (waiting.said_to_be, waiting.taken_for, waiting.decision) == ("kiwi", "lime", None)
    assert output.paths(accepted.FOLDER) == []
    assert contributions.correct(output, code, "lemon")
    assert reviews.listed(output)[0].said_to_be == "lemon"
    assert not contributions.correct(output, contributions.new_code(), "lemon")


def test_an_accepted_photo_lies_under_its_label_and_a_later_decision_moves_it(
    output: Output,
) -> None:
    name = contributions.name_of(give(output).code)
    decided = reviews.decide(output, name, "accept", "Kiwi 1")
    assert decided is not None
    (path,) = output.paths(accepted.FOLDER)
    assert path.startswith("accepted/Kiwi 1/")
    assert is_made(path)
    assert Path(output.uri(path)).read_bytes() == b"jpeg"
    assert stat.S_IMODE(Path(output.uri(path)).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(output.root, "accepted").stat().st_mode) == 0o700
    assert reviews.photo(output, name) == b"jpeg"
    reviews.decide(output, name, "relabel", "Lemon")
    (path,) = output.paths(accepted.FOLDER)
    assert path.startswith("accepted/Lemon/")
    reviews.decide(output, name, "drop")
    assert output.paths(accepted.FOLDER) == []
    assert reviews.photo(output, name) == b"jpeg", "until tomorrow it can be taken back"
    assert reviews.decide(output, "f" * 32, "drop") is None


@pytest.mark.parametrize("name", ["7K3M-Q9XW-2RPD-H5VA", "a" * 31, "A" * 32])
def test_only_a_photo_can_be_decided_of(output: Output, name: str) -> None:
    output.put_json(f"contributions/{name}.json", {"given": "2026-01-01", "kept_until": "2999"})
    assert reviews.listed(output) == []
    assert reviews.photo(output, name) is None
    assert reviews.decide(output, name, "accept", "Kiwi") is None


@pytest.mark.parametrize("label", ["", "..", ".hidden", "a/b", "_staging", "a\nb", "x" * 90, "a "])
def test_a_label_that_cannot_name_a_folder_is_refused(output: Output, label: str) -> None:
    name = contributions.name_of(give(output).code)
    with pytest.raises(ConfigError, match="expected at most 80 letters"):
        reviews.decide(output, name, "accept", label)
    assert output.paths(accepted.FOLDER) == []
    assert reviews.listed(output)[0].decision is None


def test_erasure_by_code_reaches_the_photo_its_review_and_what_a_run_read_of_it(
    output: Output,
) -> None:
    given, other = give(output), give(output)
    for one in (given, other):
        reviews.decide(output, contributions.name_of(one.code), "accept", "Kiwi")
    for path in output.paths(accepted.FOLDER):
        commit(output, output.uri(path))
    assert len(known(output)) == 3
    done = CliRunner().invoke(main, ["erase", output.root, "--contribution", given.code])
    assert (done.exit_code, done.output) == (0, f"erased: {given.code}\n")
    assert len(known(output)) == 2
    assert "/photos/own.jpg" in known(output)
    name = contributions.name_of(given.code)
    everywhere = [str(path) for path in Path(output.root).rglob("*")]
    assert not [path for path in everywhere if name in path]
    assert contributions.is_kept(output, other.code)


def test_what_expires_leaves_the_tables_too_and_what_was_dropped_goes_the_next_day(
    output: Output,
) -> None:
    given, dropped = give(output), give(output)
    reviews.decide(output, contributions.name_of(given.code), "accept", "Kiwi")
    reviews.decide(output, contributions.name_of(dropped.code), "drop")
    read(output)
    assert contributions.expire(output, given.given) == 0
    tomorrow = date.fromisoformat(given.given) + timedelta(days=1)
    assert contributions.expire(output, tomorrow.isoformat()) == 1
    assert not contributions.is_kept(output, dropped.code)
    assert len(known(output)) == 2
    assert contributions.expire(output, given.kept_until) == 1
    assert known(output) == ["/photos/own.jpg"]
    assert contributions.kept(output) == []


def test_while_a_run_writes_the_photo_goes_at_once_and_its_rows_after_it(output: Output) -> None:
    code = give(output).code
    name = contributions.name_of(code)
    reviews.decide(output, name, "accept", "Kiwi")
    path = read(output)
    with output.lock():
        with pytest.raises(TableError):
            contributions.erase(output, code)
        assert not Path(path).exists()
        assert contributions.erase(output, code, rows_later=True)
        assert reviews.listed(output) == []
    assert path in known(output)
    assert contributions.expire(output) == 1
    assert known(output) == ["/photos/own.jpg"]
    assert contributions.kept(output) == []


def test_a_photo_whose_record_is_lost_is_not_kept(output: Output) -> None:
    code = give(output).code
    name = contributions.name_of(code)
    reviews.decide(output, name, "accept", "Kiwi")
    path = read(output)
    Path(output.uri(f"contributions/{name}.json")).unlink()
    assert contributions.expire(output) == 1
    assert not Path(path).exists()
    assert known(output) == ["/photos/own.jpg"]


def test_photos_of_one_browser_have_one_giver_that_does_not_tell_its_secret() -> None:
    secret = "5" * 32
    giver = contributions.giver_of(secret)
    assert giver == contributions.giver_of(secret) != contributions.giver_of("6" * 32)
    assert secret[:16] not in giver
    path = f"/out/{accepted.place('Kiwi', giver, 'a' * 32)}"
    assert accepted.giver_of(path) == giver
    assert accepted.giver_of("/photos/Kiwi/7.jpg") is None
    unknown = accepted.place("Kiwi", None, "b" * 32)
    assert accepted.giver_of(unknown) == accepted.NOBODY
