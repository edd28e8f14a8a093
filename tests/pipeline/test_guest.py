"""A run in a folder of somebody: their files stay as they are, or it refuses before it writes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from store.test_ownership import as_made_by_0_1_0, hashes

import orchard
from orchard.cli import main
from orchard.images.source import Selection, list_images
from orchard.store.names import MARKER
from orchard.store.output import Output
from orchard.store.tables import Tables

SMALL = ("--weights", "fruit", "--size", "32", "--components", "3", "--no-report", "--quiet")


@pytest.fixture
def work(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody's project, where the command is run: photos, and a paper about them."""
    folder = tmp_path / "work"
    shutil.copytree(photos, folder / "photos")
    (folder / "paper.tex").write_text("about fruit")
    monkeypatch.chdir(folder)
    return folder


def refused(work: Path, *arguments: str) -> tuple[int, str]:
    """The exit code and sentence of `orchard run`, which must not touch anything."""
    before = hashes(work)
    done = CliRunner().invoke(main, ["run", *arguments, *SMALL])
    assert hashes(work) == before
    said = done.stderr.splitlines()
    assert len(said) == 1, done.output
    return done.exit_code, said[0]


def test_photos_in_a_folder_called_features_are_not_deleted(work: Path) -> None:
    (work / "photos/apple").rename(work / "features")
    assert refused(work, "features", ".")[0] == 2
    code, said = refused(work, "photos", ".")
    assert (code, "OUTPUT . is, or holds, the SOURCE photos" in said) == (2, True)
    (work / "photos").rename(work.parent / "photos")
    code, said = refused(work, str(work.parent / "photos"), ".")
    assert code == 5
    assert f"{work} holds features/0.png, features/1.png" in said
    assert said.endswith("nothing is written: give another OUTPUT")


def test_output_at_or_above_the_images_is_refused(work: Path) -> None:
    (work / "photos/plum").rename(work / "photos/errors")
    (work / "link").symlink_to("photos")
    for arguments in (
        ("photos/apple", "photos/errors", "photos"),
        ("photos/*", "photos"),
        ("photos", "photos"),
        ("link", "photos"),
        ("photos", "link"),
        ("photos/apple/0.png", "photos"),
        ("photos/apple", "photos/../photos"),
    ):
        code, said = refused(work, *arguments)
        assert (code, "expected a folder of its own" in said) == (2, True), said


def test_swapped_arguments_write_nothing(run: Any, work: Path) -> None:
    run(Path("photos"), Path("result"))
    code, said = refused(work, "result", "photos")
    assert code == 2
    assert "SOURCE result is a result of Orchard" in said
    as_made_by_0_1_0(Output.at(work / "result"))
    assert refused(work, "result", "photos")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("fotos", "result"), 3),
        (("fotos/*", "deep/er/result"), 3),
        (("photos", "result", "--weights", "missing.h5"), 4),
        (("photos", "result", "--include", "*.tif"), 3),
    ],
)
def test_a_run_that_cannot_begin_leaves_no_folder(
    work: Path, arguments: tuple[str, ...], code: int
) -> None:
    before = hashes(work)
    done = CliRunner().invoke(main, ["run", *SMALL, *arguments])
    assert done.exit_code == code, done.output
    assert hashes(work) == before


def test_files_of_others_beside_and_below_a_result_stay_through_runs(
    run: Callable[..., orchard.Result], work: Path
) -> None:
    mine = {
        name: work / "result" / name
        for name in ("paper.tex", "report/thesis.tex", "export/important.csv", "features/me.jpg")
    }
    run(work / "photos", work / "result")
    for name, path in mine.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    (work / "photos/plum/0.png").write_bytes((work / "photos/plum/1.png").read_bytes())
    run(work / "photos", work / "result", report=True)
    person = str(work / "photos/apple/0.png")
    for command in (
        ["erase", "result", "--path", person],
        ["vacuum", "result"],
        ["export", "result"],
    ):
        assert CliRunner().invoke(main, command).exit_code == 0
    run(work / "photos", work / "result", replace=True)
    assert {name: path.read_text() for name, path in mine.items()} == {name: name for name in mine}


def test_a_result_inside_the_source_is_left_out_and_so_is_every_other(
    run: Callable[..., orchard.Result], work: Path
) -> None:
    first = run(Path(), Path("result"), report=True)
    assert first.record["counts"]["listed"] == 41, "40 photos and paper.tex"
    assert run(Path(), Path("result2")).record["counts"]["listed"] == 41
    as_made_by_0_1_0(Output.at(work / "result"))
    (work / "result/features/link").symlink_to(work / "photos")
    listing = list_images((str(work),), Selection())
    assert listing.n_listed == 41
    assert listing.left_out == (str(work / "result"), str(work / "result2"))
    with pytest.raises(orchard.errors.SourceError, match="no image in"):
        list_images((str(work / "resul[t]*"),), Selection())


def test_a_folder_called_as_a_table_is_no_result(work: Path) -> None:
    (work / "photos/features/_delta_log").mkdir(parents=True)
    (work / "photos/features/_delta_log" / f"{0:020}.json").write_text('{"commitInfo": {}}')
    shutil.copy(work / "photos/plum/0.png", work / "photos/features/0.png")
    (work / "photos/_orchard.json").write_text('["of another program"]')
    assert list_images(("photos",), Selection()).n_listed == 43


def test_a_result_made_above_its_images_by_0_1_0_goes_on(
    run: Callable[..., orchard.Result], work: Path
) -> None:
    run(Path("photos"), Path("result"))
    as_made_by_0_1_0(Output.at(work / "result"))
    for entry in (work / "result").iterdir():
        entry.rename(work / entry.name)
    again = run(Path("photos"), Path())
    assert again.record["counts"]["already_there"] == 40
    (work / "photos/apple").rename(work / "models/apple")
    assert refused(work, "models/apple", ".")[0] == 2


def test_a_folder_with_a_hash_or_a_question_mark_in_its_name_works(
    run: Callable[..., orchard.Result], work: Path
) -> None:
    for name in ("a#1", "what?"):
        assert run(Path("photos"), Path(name)).components().num_rows == 40
        assert run(Path("photos"), Path(name)).record["counts"]["already_there"] == 40


def test_a_failed_first_run_leaves_its_marker_only_with_what_it_made(
    run: Callable[..., orchard.Result], work: Path
) -> None:
    (work / "none").mkdir()
    (work / "none/0.png").write_bytes(b"no picture")
    with pytest.raises(orchard.errors.TooManyErrors, match="says why"):
        run(Path("none"), Path("result"))
    assert (work / "result" / MARKER).exists()
    assert Tables(Output.at(work / "result"))["errors"].n_rows == 1


def test_an_export_replaces_no_file_of_others_unless_forced(
    photo_result: orchard.Result, work: Path
) -> None:
    (work / "to").mkdir()
    (work / "to/errors.csv").write_text("mine")

    def export(*options: str) -> tuple[int, str]:
        command = ["export", photo_result.output, "--to", "to", "--format", "csv", *options]
        done = CliRunner().invoke(main, command)
        return done.exit_code, done.stderr

    before = hashes(work)
    code, said = export()
    assert (code, "to/errors.csv is there, and no export made it" in said) == (5, True)
    assert hashes(work) == before
    assert export("--force")[0] == 0
    assert (work / "to/errors.csv").read_text() != "mine"
    (work / "to/components.parquet").write_text("mine")
    assert export() == (0, "")
    assert export("--format", "parquet")[0] == 5
    assert (work / "to/components.parquet").read_text() == "mine"


def test_an_export_goes_through_no_link_below_output(
    photo_result: orchard.Result, work: Path
) -> None:
    shutil.copytree(photo_result.output, work / "result")
    (work / "victim").mkdir()
    (work / "result/export").symlink_to("../victim")
    done = CliRunner().invoke(main, ["export", "result"])
    assert (done.exit_code, "is a link" in done.stderr) == (5, True)
    assert hashes(work / "victim") == {}
