"""Orchard writes, sweeps and deletes what it made, and nothing else, through no link."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable, write_deltalake
from deltalake.schema import Schema
from store.test_tables import R0, R1, R2, R3, commit, feature_rows, paths, plain

from orchard.cli import main
from orchard.errors import TableError
from orchard.store import disk, log, models, names, ownership, staging, tables
from orchard.store.compaction import compact
from orchard.store.erase import erase
from orchard.store.names import MARKER, VERSIONS
from orchard.store.output import Output
from orchard.store.snapshot import SCHEMAS
from orchard.store.tables import Tables


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output.at(tmp_path / "out")


@pytest.fixture
def result(output: Output) -> Output:
    """A result of two commits."""
    with ownership.claim(output):
        commit(output, R1, "ab", "cd")
        commit(output, R2, "e")
        staging.discard_staged(output)
    return output


def hashes(folder: Path) -> dict[str, str]:
    """Of every file and link below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder"
    return found


FOREIGN = (
    "features/holiday.jpg", "features/part-00000-c0ffee.parquet", "features/part-1.parquet",
    "features/deep/er/cat.jpg", "components/mine.parquet", "errors/a.jpg", "gone/b.jpg",
    "report/thesis.tex", "export/important.csv", "runs/notes.json", "models/pca/x.bin",
    "models/classifier/0123456789abcdef/my notes.txt", "erasure/letter.pdf", "privacy/law.md",
    "contributions/IMG_1.jpg", "_staging/mine.parquet", f"_staging/{R3}/features/x.parquet",
    "notes.txt", "features/_delta_log/readme.txt",
    "features/part-00000-aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa-c000.snappy.parquet",
)  # fmt: skip


def plant(output: Output, wanted: tuple[str, ...] = FOREIGN) -> dict[str, str]:
    for name in wanted:
        file = Path(output.root, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"PAR1 not Orchard's " + name.encode())
    return foreign_hashes(output, wanted)


def foreign_hashes(output: Output, wanted: tuple[str, ...] = FOREIGN) -> dict[str, str]:
    there = hashes(Path(output.root))
    return {name: there[name] for name in wanted}


# -- what is deleted ------------------------------------------------------------------------------


def test_no_command_deletes_a_file_of_others_wherever_it_lies(result: Output) -> None:
    before = plant(result)
    staged = staging.stage(result, R3, "features", "0", feature_rows("z"))
    commit(result, R3, "x", superseded="a")
    erase(result, ["c"], ["d"])
    compact(result, 1024**2)
    Tables(result).sweep()
    done = CliRunner().invoke(main, ["vacuum", result.root])
    assert done.exit_code == 0, done.output
    for folder in names.FOLDERS:
        if folder not in names.TABLES:
            result.delete_folder(folder)
    assert foreign_hashes(result) == before
    assert not Path(result.root, staged.path).exists()
    assert paths(result) == list("bex")


def test_what_others_put_into_a_result_is_neither_listed_nor_read(result: Output) -> None:
    plant(result)
    for folder in ("features", "runs", "_staging", "models", ""):
        assert not set(result.paths(folder)) & set(FOREIGN)
    assert staging.staged(result, "features") == []
    assert models.load_moments(result) is None


def test_a_path_that_is_not_orchards_is_not_deleted_by_name_either(result: Output) -> None:
    before = plant(result)
    assert result.delete(list(FOREIGN)) == 0
    assert foreign_hashes(result) == before


def test_a_folder_that_was_there_empty_stays_and_orchards_own_goes(result: Output) -> None:
    staging.stage(result, R3, "features", "0", feature_rows("z"))
    staging.discard_staged(result)
    assert not Path(result.root, "_staging").exists()
    Path(result.root, "report/drafts").mkdir(parents=True)
    result.put("report/index.html", b"page")
    result.delete_folder("report")
    assert hashes(Path(result.root, "report")) == {"drafts": "folder"}


# -- names ----------------------------------------------------------------------------------------


def test_every_name_that_a_result_with_a_classifier_holds_is_known(
    trained_copy: Path,
) -> None:
    root = trained_copy
    CliRunner().invoke(main, ["export", str(root), "--features"])
    CliRunner().invoke(main, ["privacy", str(root)])
    found = [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()]
    assert len(found) > 30
    assert [name for name in found if not names.is_made(name)] == []
    folders = [str(p.relative_to(root)) for p in root.rglob("*") if p.is_dir()]
    others = [name for name in folders if not names.is_made_folder(name)]
    assert all(name.endswith("_delta_log") for name in others), others


def test_the_tables_are_those_that_names_are_known_of() -> None:
    assert set(names.TABLES) == set(SCHEMAS)


# -- first runs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [*(n for n in FOREIGN if n != "notes.txt"), "report/index.html", "explained_variance.csv",
     "_lock", MARKER, VERSIONS, "thumbnails/me.jpg", "findings/x"],
)  # fmt: skip
def test_a_folder_with_files_of_others_where_tables_go_is_refused(
    output: Output, name: str
) -> None:
    plant(output, (name,))
    before = hashes(Path(output.root))
    said = rf"holds {name}.*which Orchard did not make.*nothing is written: give another OUTPUT$"
    with pytest.raises(TableError, match=said), ownership.claim(output):
        pytest.fail("claimed")
    assert hashes(Path(output.root)) == before


def test_files_of_others_that_are_in_nobodys_way_are_none_to_refuse(output: Output) -> None:
    wanted = ("notes.txt", "src/features/a.py", ".git/config", "featuresque/x.jpg")
    before = plant(output, wanted)
    with ownership.claim(output):
        commit(output, R1, "ab")
    assert foreign_hashes(output, wanted) == before


def test_a_link_where_tables_go_is_refused(output: Output, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    Path(output.root).mkdir()
    Path(output.root, "report").symlink_to("../victim")
    with pytest.raises(TableError, match="holds report, which"), ownership.claim(output):
        pytest.fail("claimed")


def test_somebodys_own_delta_table_is_refused_and_its_versions_stay(output: Output) -> None:
    place = f"{output.root}/features"
    write_deltalake(place, pa.table({"x": [1, 2]}))
    write_deltalake(place, pa.table({"x": [3]}), mode="overwrite")
    before = hashes(Path(output.root))
    with pytest.raises(TableError, match="which Orchard did not make"), ownership.claim(output):
        pytest.fail("claimed")
    for command in ("vacuum", "optimize", "privacy", "report", "export"):
        done = CliRunner().invoke(main, [command, output.root])
        assert (done.exit_code, done.output.count("\n")) == (5, 1), done.output
    done = CliRunner().invoke(main, ["erase", output.root, "--path", "x"])
    assert done.exit_code == 5
    assert hashes(Path(output.root)) == before
    assert DeltaTable(place, version=0).to_pyarrow_table()["x"].to_pylist() == [1, 2]


def test_somebodys_delta_table_in_a_result_is_neither_written_nor_swept(result: Output) -> None:
    place = f"{result.root}/components"
    write_deltalake(place, pa.table({"x": [1, 2]}))
    write_deltalake(place, pa.table({"x": [3]}), mode="overwrite")
    before = hashes(Path(place))
    with pytest.raises(TableError, match="a Delta table that Orchard did not make"):
        Tables(result).commit(R3, "components", [], overwrite=True)
    Tables(result).sweep()
    assert hashes(Path(place)) == before


# -- the marker -----------------------------------------------------------------------------------


def test_the_marker_is_written_first_and_says_what_it_is(output: Output) -> None:
    with ownership.claim(output):
        there = {path.name for path in Path(output.root).iterdir()}
        assert there == {MARKER, "_lock"}
        commit(output, R1, "ab")
    found = json.loads(Path(output.root, MARKER).read_text())
    assert found.keys() == {"format", "result", "made_by", "checksum"}
    assert (found["format"], found["made_by"].split()[0]) == (1, "orchard")
    with ownership.claim(output):
        pass
    assert json.loads(Path(output.root, MARKER).read_text()) == found


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_of_a_run_that_nothing_came_of_nothing_stays(tmp_path: Path, error: type | None) -> None:
    (tmp_path / "work").mkdir()
    output = Output.at(tmp_path / "work/new/out")
    try:
        with ownership.claim(output):
            if error:
                raise error
    except KeyboardInterrupt:
        pass
    assert hashes(tmp_path) == {"work": "folder"}
    Path(output.root).mkdir(parents=True)
    Path(output.root, "notes.txt").write_text("mine")
    with ownership.claim(output):
        pass
    assert [path.name for path in Path(output.root).iterdir()] == ["notes.txt"]


def test_what_an_interrupted_first_run_embedded_keeps_its_marker(output: Output) -> None:
    def interrupted() -> None:
        with ownership.claim(output):
            staging.stage(output, R1, "features", "0", feature_rows("a"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ownership.is_result(output)
    assert len(staging.staged(output, "features")) == 1


def test_a_result_of_a_newer_format_is_refused(result: Output) -> None:
    marker = json.loads(Path(result.root, MARKER).read_text())
    result.put_json(MARKER, marker | {"format": 2, "made_by": "orchard 9.0"})
    with (
        pytest.raises(TableError, match=r"format 2, made by orchard 9\.0; .* install a newer one"),
        ownership.claim(result),
    ):
        pytest.fail("claimed")


def test_a_flipped_bit_in_the_marker_makes_no_newer_format(result: Output) -> None:
    marker = Path(result.root, MARKER)
    marker.write_text(marker.read_text().replace('"format": 1', '"format": 5'))
    assert ownership.is_result(result)


# -- results of 0.1.0 -----------------------------------------------------------------------------


def as_made_by_0_1_0(output: Output) -> None:
    for name in (MARKER, VERSIONS):
        Path(output.root, name).unlink()


def test_a_result_of_0_1_0_opens_and_gets_its_marker_at_the_next_run(result: Output) -> None:
    as_made_by_0_1_0(result)
    result.put("report/index.html", b"page")
    assert ownership.is_result(result)
    with ownership.claim(result):
        commit(result, R3, "f")
    assert Path(result.root, MARKER).exists()
    assert paths(result) == list("abcdef")


@pytest.mark.parametrize("killed", ["staging", "moved", "created"])
def test_a_first_run_of_0_1_0_that_was_killed_is_taken_over(output: Output, killed: str) -> None:
    file = staging.stage(output, R1, "features", "0", feature_rows("a"))
    if killed != "staging":
        output.move(file.path, f"features/{Path(file.path).name}")
    if killed == "created":
        tables._create(output, "features", Schema.from_arrow(SCHEMAS["features"]))
    Path(output.root, "_lock").write_text("process 12 on laptop")
    with ownership.claim(output):
        commit(output, R2, "b")
    assert plain(output) == ["b"]


def test_what_compaction_by_0_1_0_left_behind_is_swept_where_the_log_names_it(
    result: Output,
) -> None:
    table = DeltaTable(f"{result.root}/features")
    table.optimize.compact()
    (merged,) = table.file_uris()
    kept = Path(merged).read_bytes()
    erase(result, ["a"])
    assert not Path(merged).exists(), "else the erased row would still lie there"
    Path(merged).write_bytes(kept)
    Tables(result).sweep()
    assert not Path(merged).exists()
    assert paths(result) == plain(result) == list("bcde")


# -- a log that lost its end ----------------------------------------------------------------------


def entry(output: Output, version: int) -> Path:
    return Path(output.root, f"features/_delta_log/{version:020}.json")


@pytest.fixture(params=["with versions", "of 0.1.0"])
def cut_short(request: pytest.FixtureRequest, result: Output) -> Output:
    """A result whose features' log is missing its last entry."""
    if request.param == "of 0.1.0":
        as_made_by_0_1_0(result)
        result.put_json(f"runs/{R2}.json", {})
    entry(result, 2).unlink()
    return result


def test_a_log_without_its_last_entry_is_told_and_nothing_is_deleted(cut_short: Output) -> None:
    before = hashes(Path(cut_short.root))
    done = CliRunner().invoke(main, ["vacuum", cut_short.root])
    assert done.exit_code == 5
    assert "has lost its last entry" in done.output
    assert "run --replace" in done.output
    assert Tables(cut_short).sweep() == 0
    with pytest.raises(TableError, match="lost its last entry"):
        commit(cut_short, R3, "x", superseded="a")
    staging.discard_staged(cut_short)
    assert hashes(Path(cut_short.root)) == before


def test_a_table_whose_log_is_gone_keeps_its_files(cut_short: Output) -> None:
    shutil.rmtree(Path(cut_short.root, "features/_delta_log"))
    if not Path(cut_short.root, MARKER).exists():
        cut_short.put_json(MARKER, {"format": 1, "result": "x", "made_by": "orchard 1"})
    before = hashes(Path(cut_short.root))
    assert Tables(cut_short).sweep() == 0
    with pytest.raises(TableError, match="lost its last entry"):
        Tables(cut_short).vacuum()
    assert hashes(Path(cut_short.root)) == before


def test_computed_anew_a_table_may_be_written_and_swept_again(cut_short: Output) -> None:
    commit(cut_short, R3, "xy", overwrite=True)
    assert plain(cut_short) == paths(cut_short) == ["x", "y"]
    Tables(cut_short).check()


def test_a_log_that_names_nothing_lets_nothing_be_swept(output: Output) -> None:
    tables._create(output, "features", Schema.from_arrow(SCHEMAS["features"]))
    Path(output.root, f"features/part-{R0}-000000-0123abcd.parquet").write_bytes(b"x")
    assert Tables(output).sweep() == 0


def test_a_killed_writers_files_are_swept_though_the_log_is_young(result: Output) -> None:
    """Also between the commit and the note of its version, which comes after it."""
    orphan = Path(result.root, f"features/part-{R3}-000000-0123abcd.parquet")
    pq.write_table(feature_rows("z"), orphan)
    log.note(result, {"features": 1})
    assert Tables(result).sweep() == 1
    assert not orphan.exists()


def test_a_features_folder_that_somebody_deleted_whole_is_no_damage(result: Output) -> None:
    shutil.rmtree(Path(result.root, "features"))
    Tables(result).check()


# -- links ----------------------------------------------------------------------------------------


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A folder of somebody, with files that are called as Orchard's are."""
    folder = tmp_path / "victim"
    for name in (
        "a.jpg", "index.html", "components.csv", f"part-{R0}-000000-0123abcd.parquet",
        f"{R0}/features/part-{R0}-000000-0123abcd.parquet", f"{R0}.json", "pca/x",
        "features/part-x.parquet", "moments.safetensors",
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    before = hashes(folder)
    yield folder
    assert hashes(folder) == before


@pytest.mark.parametrize(
    "link",
    ["features/link", "report", "export", "_staging", f"_staging/{R3}", "runs", "models", "gone",
     f"features/part-{R0}-000000-89abcdef.parquet", "models/moments.safetensors"],
)  # fmt: skip
def test_nothing_is_listed_or_deleted_through_a_link(
    result: Output, victim: Path, link: str
) -> None:
    place = Path(result.root, link)
    place.parent.mkdir(parents=True, exist_ok=True)
    target = victim if "." not in link[-12:] else victim / "a.jpg"
    place.symlink_to(os.path.relpath(target, place.parent))
    assert not [path for path in result.paths("") if path.startswith(link)]
    for write in (lambda: erase(result, ["no"]), lambda: commit(result, R3, "x", superseded="a")):
        with suppress(TableError):  # where the link lies in the way of what is written
            write()
    for command in (["vacuum"], ["optimize"], ["erase", "--path", "b"]):
        done = CliRunner().invoke(main, [command[0], result.root, *command[1:]])
        assert done.exit_code in (0, 5, 11), done.output
    result.delete([link, f"{link}/index.html", f"{link}/pca/x", f"{link}/{R0}.json"])
    for folder in (link, link.split("/")[0]):
        result.delete_folder(folder)
    assert place.is_symlink()


@pytest.mark.parametrize("link", ["report", "models/pca", "features"])
def test_nothing_is_written_through_a_link(result: Output, victim: Path, link: str) -> None:
    place = Path(result.root, link)
    if place.exists():
        place.rename(Path(result.root, "elsewhere"))
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(victim)
    for write in (result.put, result.create):
        with pytest.raises(TableError, match=f"{place} is a link; Orchard writes through none"):
            write(f"{link}/index.html", b"mine")
    staged = staging.stage(result, R3, "features", "0", feature_rows("z"))
    with pytest.raises(TableError, match="is a link"):
        result.move(staged.path, f"{link}/a.jpg")
    with pytest.raises(OSError, match=r"Not a directory|symbolic link"):
        disk.move(result.root, staged.path, f"{link}/a.jpg")


@pytest.mark.parametrize("link", ["report", "gone", "explained_variance.csv"])
def test_a_run_refuses_a_link_in_a_tables_place_before_it_writes(
    result: Output, victim: Path, link: str
) -> None:
    Path(result.root, link).symlink_to(victim)
    before = hashes(Path(result.root))
    with pytest.raises(TableError, match=f"{link} is a link"), ownership.claim(result):
        pytest.fail("claimed")
    assert hashes(Path(result.root)) == before


def test_a_lock_that_is_a_link_or_somebodys_file_is_left_as_it_is(
    result: Output, tmp_path: Path
) -> None:
    lock, precious = Path(result.root, "_lock"), tmp_path / "precious"
    precious.write_text("precious")
    lock.unlink()
    lock.symlink_to(precious)
    with pytest.raises(TableError, match="a link is in the way"), result.lock():
        pytest.fail("locked")
    lock.unlink()
    lock.write_text("precious")
    with pytest.raises(TableError, match="is not a lock of Orchard's"), result.lock():
        pytest.fail("locked")
    assert precious.read_text() == lock.read_text() == "precious"


def test_a_result_that_is_reached_by_a_link_works(result: Output, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(result.root)
    alias = Output.at(tmp_path / "alias")
    with ownership.claim(alias):
        commit(alias, R3, "x", superseded="a")
    assert plain(alias) == paths(result) == list("bcdex")


# -- any name of the folder -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a#b", "what?", "a b", "50 %", "ü"])
def test_the_run_that_wrote_a_table_is_known_whatever_the_folder_is_called(
    tmp_path: Path, name: str
) -> None:
    output = Output.at(tmp_path / name / "out")
    commit(output, R1, "ab", facts={"orchard.features": "f"})
    assert Tables(output)["features"].facts == {
        "orchard.run_id": R1, "orchard.features": "f",
    }  # fmt: skip
    compact(output, 1024**2)
    assert Tables(output)["features"].facts["orchard.run_id"] == R1
    assert ownership.is_result(output)
