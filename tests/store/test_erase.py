"""Erasure: exact paths, nothing left behind, nothing else lost, whatever is damaged."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pytest
from traces_of import traces_of

import orchard
from orchard.errors import TableError
from orchard.records import ERRORS, GONE, vectors_of
from orchard.store import galleries, staging, traces
from orchard.store.erase import AUDIT, erase, preview, readmit
from orchard.store.output import Output
from orchard.store.runs import new_run_id
from orchard.store.suppression import SUPPRESSED, Suppression
from orchard.store.tables import Tables

CLASSIFIER = "models/classifier/0123456789abcdef"
RUN = "20261130T120000.000000Z-0000a1"
RECORD = f"runs/{RUN}.json"
DAMAGED = "runs/20261130T120000.000000Z-0000a2.json"


@pytest.fixture
def output(photo_result: orchard.Result, tmp_path: Path) -> Output:
    """The photos' result with a report, an export and a classifier, to be changed."""
    made = Output.at(shutil.copytree(photo_result.output, tmp_path / "out"))
    rows = photo_result.components().select(["path", "label", "components"])
    gallery = rows.rename_columns(galleries.SCHEMA.names).cast(galleries.SCHEMA)
    galleries.put(made, CLASSIFIER, gallery)
    made.put_json("models/classifier/current.json", {"classifier_id": "0123456789abcdef"})
    made.put_json(f"{CLASSIFIER}/card.json", {"kind": "logistic", "classes": ["fruit"]})
    made.put_json(f"{CLASSIFIER}/metrics.json", {"search": [{"kind": "logistic"}]})
    made.put(f"{CLASSIFIER}/network.onnx", b"a head of fruit, in ./ and /")
    made.put(f"{CLASSIFIER}/classifier.safetensors", b"head")
    made.put(f"{CLASSIFIER}/README.md", b"# Classifier\n\nA head of kind logistic. Fruit.\n")
    made.put("report/index.html", b"a map with thumbnails")
    made.put("export/components.csv", b"path,label\n")
    return made


@pytest.fixture
def person(photos: Path) -> str:
    return str(photos / "plum/3.png")


def contents(output: Output) -> dict[str, bytes]:
    """All files but the lock, which says who held it last."""
    files = (p for p in Path(output.root).rglob("*") if p.is_file() and p.name != "_lock")
    return {str(path): path.read_bytes() for path in files}


def audit(output: Output) -> list[dict[str, Any]]:
    return [json.loads(line) for line in bytes(output.get(AUDIT)).splitlines()]


def add_error(output: Output, path: str) -> None:
    """An image that failed, under a name that a disk gave it."""
    run_id = new_run_id()
    row = dict.fromkeys(ERRORS.names) | {"path": path, "reason": "empty"}
    file = staging.stage(output, run_id, "errors", "0", pa.Table.from_pylist([row], ERRORS))
    Tables(output).commit(run_id, "errors", [file])


@pytest.mark.parametrize("mistyped", [".", "fruit", "head", " ", "/", "png", "logistic"])
def test_a_path_that_matches_nothing_deletes_nothing_at_all(output: Output, mistyped: str) -> None:
    before = contents(output)
    done = erase(output, [mistyped])
    assert [unknown.given for unknown in done.unknown] == [mistyped]
    assert not any(done.rows.values())
    assert contents(output) == before


def test_a_path_is_meant_whole_and_never_as_a_part_of_another(
    output: Output, person: str, photos: Path
) -> None:
    for near in (person[:-1], person + "x", person[1:], str(photos / "plum"), person.upper()):
        assert not erase(output, [near]).n_images, near
    assert Tables(output)["features"].n_rows == 40
    assert erase(output, [person]).rows["features"] == 1


def test_a_right_path_beside_a_wrong_one_is_erased_and_the_wrong_one_named(
    output: Output, person: str
) -> None:
    typo = person.replace("3.png", "33.png")
    relative = "/".join(person.split("/")[-2:])
    done = erase(output, [typo, person, relative], ["/nowhere/"])
    assert done.rows["features"] == done.rows["components"] == 1
    assert [(u.given, u.is_prefix) for u in done.unknown] == [
        (typo, False), (relative, False), ("/nowhere/", True),
    ]  # fmt: skip
    assert done.unknown[0].nearest == person
    assert done.unknown[1].nearest == person, "one that is known, however it was given"
    suppression = Suppression.load(output)
    assert len(suppression.hashes) == 1
    assert not suppression.holds(typo), "a mistyped path must not be blocked for good"


def test_unknown_paths_are_kept_out_where_that_is_asked(output: Output) -> None:
    before = contents(output)
    done = erase(output, ["/later/café.jpg"], keep_out=True)
    assert (done.unknown, done.kept_out) == ((), 1)
    after = contents(output)
    changed = {path for path in after if before.get(path) != after[path]}
    assert changed == {f"{output.root}/{SUPPRESSED}"}
    decomposed = normalize("NFD", "/later/café.jpg")
    assert Suppression.load(output).allowed([decomposed, "/later/b.jpg"]).to_pylist() == [
        False, True,
    ]  # fmt: skip


def test_a_composed_spelling_finds_a_decomposed_name_and_an_exact_one_goes_first(
    output: Output,
) -> None:
    composed, decomposed = (normalize(form, "/photos/café.jpg") for form in ("NFC", "NFD"))
    add_error(output, decomposed)
    assert erase(output, [composed]).rows["errors"] == 1
    for path in (composed, decomposed):
        add_error(output, path)
    assert erase(output, [decomposed]).rows["errors"] == 1
    assert Tables(output).read("errors", ["path"])["path"].to_pylist() == [composed]
    assert erase(output, [], [normalize("NFD", "/photos/caf\u00e9")]).rows["errors"] == 1


def test_a_name_that_is_not_utf_8_is_found_as_the_shell_gives_it(output: Output) -> None:
    add_error(output, "/photos/caf\\xe9.jpg")
    assert erase(output, [os.fsdecode(b"/photos/caf\xe9.jpg")]).rows["errors"] == 1


@pytest.mark.long
def test_nothing_of_an_erased_image_is_found_in_any_file(
    run: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its relative path too, which the run's record holds where the image was itself a source."""
    folder = shutil.copytree(photos, tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    relative, person = "in/plum/3.png", str(folder / "plum/3.png")
    result = run((Path("in"), Path(relative)), tmp_path / "out", report=True)
    output = Output.at(tmp_path / "out")
    at = result.features()["path"].to_pylist().index(person)
    vectors = [
        vectors_of(table[name])[at]
        for table, name in ((result.features(), "features"), (result.components(), "components"))
    ]
    gallery = result.components().select(["path", "label", "components"])
    rows = gallery.rename_columns(galleries.SCHEMA.names).cast(galleries.SCHEMA)
    galleries.put(output, CLASSIFIER, rows)
    where = (output.root, [person], [relative], vectors)
    folders = {Path(find.split(":")[0]).parent.name for find in traces_of(*where)}
    assert folders >= {"features", "components", "runs", "0123456789abcdef"}
    monkeypatch.chdir("/")
    done = erase(output, [person])
    assert (done.remaining, done.classifier_rows) == ((), 1)
    assert traces_of(*where) == []
    again = run(folder, tmp_path / "out", report=True)
    assert again.record["counts"]["suppressed"] == 1
    assert traces_of(*where) == []


@pytest.mark.parametrize("given", ["photos/me.jpg", "./photos/me.jpg", "../b/photos/me.jpg",
                                   "photos/x/../me.jpg", "~/photos/me.jpg"])  # fmt: skip
def test_an_older_record_loses_the_relative_path_whatever_folder_it_was_given_in(
    output: Output, given: str
) -> None:
    add_error(output, "/home/b/photos/me.jpg")
    kept = ["photos", "photos/me.jpg.old", "other/me.jpg", "/photos/me.jpg"]
    output.put_json(RECORD, {"started": "x", "config": {"sources": [given, *kept]}})
    erase(output, ["/home/b/photos/me.jpg"])
    assert output.get_json(RECORD)["config"]["sources"] == ["(erased)", *kept]


def test_a_record_that_knows_its_absolute_sources_loses_the_right_one(output: Output) -> None:
    add_error(output, "/a/me.jpg")
    record = {
        "sources": ["/a/me.jpg", "/b/me.jpg"],
        "config": {"sources": ["x/../me.jpg", "me.jpg"]},
    }
    output.put_json(RECORD, record)
    erase(output, ["/a/me.jpg"])
    assert output.get_json(RECORD) == {
        "sources": ["(erased)", "/b/me.jpg"],
        "config": {"sources": ["(erased)", "me.jpg"]},
    }


def test_files_that_have_no_part_of_the_image_stay_as_they_were(
    output: Output, person: str
) -> None:
    output.put("report.txt", b"somebody else's")
    before = contents(output)
    erase(output, [person])
    after = contents(output)
    for name in (
        "network.onnx",
        "classifier.safetensors",
        "README.md",
        "card.json",
        "metrics.json",
    ):
        path = f"{output.root}/{CLASSIFIER}/{name}"
        assert after[path] == before[path]
    assert after[f"{output.root}/report.txt"] == b"somebody else's"
    assert not output.paths("report")
    assert not output.paths("export")
    assert galleries.get(output, CLASSIFIER).num_rows == 39


def test_a_gone_image_is_erased_as_any_other(output: Output) -> None:
    row = pa.Table.from_pylist([dict.fromkeys(GONE.names) | {"path": "/gone.jpg"}], GONE)
    Tables(output).commit(RUN, "gone", [staging.stage(output, RUN, "gone", "0", row)])
    assert erase(output, ["/gone.jpg"]).rows["gone"] == 1
    assert traces_of(output.root, ["/gone.jpg"]) == []


def test_an_image_that_only_an_interrupted_run_has_embedded_is_known(output: Output) -> None:
    row = dict.fromkeys(ERRORS.names) | {"path": "/staged.jpg", "reason": "empty"}
    staging.stage(output, RUN, "errors", "0", pa.Table.from_pylist([row], ERRORS))
    assert erase(output, ["/staged.jpg"]).n_images == 1
    assert not output.paths("_staging")


def test_a_preview_counts_table_by_table_and_writes_nothing(output: Output, person: str) -> None:
    before = contents(output)
    found = preview(output, [person, "/typo.jpg"])
    assert found.rows["features"] == found.rows["components"] == 1
    assert found.rows["galleries of classifiers"] == 1
    assert [unknown.given for unknown in found.unknown] == ["/typo.jpg"]
    assert contents(output) == before


@pytest.mark.parametrize(
    "damaged", [DAMAGED, f"{CLASSIFIER}/card.json", "models/classifier/current.json",
                "privacy/processing_record.json"]
)  # fmt: skip
def test_damaged_json_is_passed_over_named_and_the_counts_kept(
    output: Output, person: str, damaged: str
) -> None:
    output.put(damaged, b'{"sources": ["' + person.encode()[:40])
    first = erase(output, [person])
    assert first.rows["features"] == first.rows["components"] == first.classifier_rows == 1
    assert len(first.remaining) == 1
    assert damaged in first.remaining[0]
    assert audit(output)[0]["rows"]["features"] == 1
    assert damaged in audit(output)[0]["remaining"][0]
    second = erase(output, [person])
    assert damaged in second.remaining[0], "it is still there, and that is still said"
    output.put_json(damaged, {"sources": [person]})
    third = erase(output, [person])
    assert third.remaining == ()
    expected = {"features": 1, "components": 1, "errors": 0, "gone": 0, "thumbnails": 1}
    assert third.begun_before == expected
    assert audit(output)[2]["begun_before"]["features"] == 1, "nobody reads: 0 of features"
    assert traces_of(output.root, [person]) == []
    assert erase(output, [person]).erased_before == (person,)
    assert len(audit(output)) == 3


def test_a_prefix_is_taken_up_again_though_the_tables_know_it_no_more(
    output: Output, photos: Path
) -> None:
    prefix, damaged = f"{photos}/lemon/", DAMAGED
    output.put(damaged, b"{")
    assert erase(output, [], [prefix]).rows["features"] == 10
    output.put_json(damaged, {"sources": [f"{prefix}4.png"], "config": {"sources": ["4.png"]}})
    again = erase(output, [], [prefix])
    assert (again.unknown, again.remaining) == ((), ())
    assert again.begun_before["features"] == 10
    assert traces_of(output.root, [f"{prefix}4.png"]) == []
    assert Suppression.load(output).unfinished == ()


def test_an_erasure_that_was_killed_is_logged_and_taken_up_again(
    output: Output, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(galleries, "forget", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            erase(output, [person])
    assert audit(output)[0]["remaining"] == ["cut short"]
    assert audit(output)[0]["rows"]["features"] == 1
    done = erase(output, [person])
    assert (done.classifier_rows, done.remaining) == (1, ())
    assert done.begun_before["features"] == 1
    assert traces_of(output.root, [person]) == []


def test_a_damaged_gallery_that_may_hold_the_image_goes_and_is_named(
    output: Output, person: str
) -> None:
    path = Path(output.root, CLASSIFIER, "gallery.parquet")
    path.write_bytes(path.read_bytes()[:200])
    done = erase(output, [person])
    assert len(done.remaining) == 1
    assert "gallery.parquet is not as it was stored" in done.remaining[0]
    assert done.rows["features"] == 1
    assert not path.exists()
    assert erase(output, [person]).remaining == ()


def test_a_damaged_gallery_without_the_image_stays(output: Output, person: str) -> None:
    rows = galleries.get(output, CLASSIFIER)
    galleries.put(output, CLASSIFIER, rows.filter(pa.compute.not_equal(rows["path"], person)))
    output.put(f"{CLASSIFIER}/gallery.json", b"{")
    before = contents(output)
    assert "gallery.json is not as it was stored" in erase(output, [person]).remaining[0]
    kept = f"{output.root}/{CLASSIFIER}/gallery.parquet"
    assert contents(output)[kept] == before[kept]


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"salt": "x"}', b'{"salt": "x", "hashes": [1]}', b"\xff\xfe"]
)
def test_a_damaged_list_of_what_is_kept_out_stops_before_anything_is_deleted(
    output: Output, person: str, damage: bytes
) -> None:
    erase(output, [person])
    output.put(SUPPRESSED, damage)
    before = contents(output)
    other = person.replace("3.png", "4.png")
    for call in (lambda: erase(output, [other]), lambda: readmit(output, [person])):
        with pytest.raises(TableError, match="restore it from a copy"):
            call()
    assert contents(output) == before


def test_a_table_that_cannot_be_read_keeps_no_other_from_its_erasure(
    output: Output, person: str
) -> None:
    file = Path(output.root, Tables(output)["components"].files[0].path)
    file.write_bytes(b"PAR1 no more")
    done = erase(output, [person])
    assert (done.rows["features"], done.classifier_rows) == (1, 1)
    assert any(file.name in problem for problem in done.remaining)
    assert person not in Tables(output).read("features", ["path"])["path"].to_pylist()


def test_an_audit_log_whose_last_line_was_cut_is_continued(output: Output, person: str) -> None:
    output.put(AUDIT, b'{"when": "20')
    erase(output, [person])
    assert bytes(output.get(AUDIT)).startswith(b'{"when": "20\n{"when"')


def test_what_was_erased_can_be_readmitted(
    run: Any, photos: Path, output: Output, person: str
) -> None:
    erase(output, [person])
    assert run(photos, output.root).record["counts"]["suppressed"] == 1
    assert readmit(output, [person, "/other.jpg"]) == ("/other.jpg",)
    back = run(photos, output.root).record["counts"]
    assert (back["suppressed"], back["new"]) == (0, 1)
    assert Tables(output)["features"].n_rows == 40


def test_many_paths_leave_a_large_classifier_in_one_pass(output: Output) -> None:
    """Path by path it took 15 s: each file was searched for each path."""
    paths = [f"/home/somebody/photos/{number:05d}.jpg" for number in range(20_000)]
    vectors = pa.array(np.zeros((40_000, 110), np.float16).tolist(), galleries.SCHEMA.field(2).type)
    labels = pa.array(["fruit"] * 40_000)
    others = [f"/home/other/{number}.jpg" for number in range(20_000)]
    table = pa.table([paths + others, labels, vectors], schema=galleries.SCHEMA)
    galleries.put(output, CLASSIFIER, table)
    output.put_json(f"{CLASSIFIER}/metrics.json", {"worst": [[p, "x" * 200] for p in paths * 2]})
    assert len(output.get(f"{CLASSIFIER}/metrics.json")) > 9_000_000
    problems: list[str] = []
    started = time.process_time()
    found = traces.documents(output, problems)
    traces.strike_out(output, found, paths, problems)
    n_rows = galleries.forget(output, pa.array(paths), problems)
    assert time.process_time() - started < 5  # about 1 on an idle machine; 15 and more path by path
    assert (n_rows, problems) == (20_000, [])
    assert set(traces.strings([output.get_json(f"{CLASSIFIER}/metrics.json")])) == {
        "worst", "(erased)", "x" * 200,
    }  # fmt: skip


def test_the_search_for_traces_finds_every_spelling(tmp_path: Path) -> None:
    path = "/photos/é & co/me.jpg"
    for number, text in enumerate(
        (path, normalize("NFD", path), json.dumps(path), "/photos/%C3%A9%20%26%20co/me.jpg",
         "<img alt='/photos/é &amp; co/me.jpg'>", "\\/photos\\/\\u00e9 & co\\/me.jpg")
    ):  # fmt: skip
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
    vector = np.arange(9, dtype=np.float32) / 7
    np.savez_compressed(tmp_path / "a.npz", paths=np.array([path]), vectors=vector)
    (tmp_path / "other.txt").write_text(f"{path}.bak /x{path}x", encoding="utf-8")
    found = traces_of(tmp_path, [path], vectors=[vector])
    assert len(found) == 8
    assert not any("other.txt" in find for find in found)
