"""The thumbnails of a result over time: killed runs, erasure, growth, earlier versions."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable
from machine.dying import Death, dying
from PIL import Image

from orchard.aws.job import describe
from orchard.cli import main
from orchard.config import RunConfig
from orchard.images import thumbnail
from orchard.images.thumbnail import gets_one
from orchard.records import FEATURES, QUALITY
from orchard.result import Result
from orchard.store import staging
from orchard.store.erase import erase
from orchard.store.output import Output
from orchard.store.runs import new_run_id
from orchard.store.snapshot import SCHEMAS
from orchard.store.tables import Tables


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output.at(tmp_path / "out")


@pytest.fixture
def first(first_run: Result, source: Path, output: Output) -> Output:
    """What the first run of `source` left."""
    shutil.copytree(first_run.output, output.root)
    return output


def pictures(output: Output | str) -> dict[str, tuple[str | None, bytes]]:
    """By path, and no path twice."""
    rows = Tables(Output.at(output) if isinstance(output, str) else output).read("thumbnails")
    found = {row["path"]: (row["sha256"], row["jpeg"]) for row in rows.to_pylist()}
    assert len(found) == rows.num_rows
    return found


def test_each_image_has_one_of_its_own_bytes(first_run, source):
    found = pictures(first_run.output)
    rows = first_run.features().to_pylist()
    assert {row["path"]: row["sha256"] for row in rows} == {p: d for p, (d, _) in found.items()}
    assert all(0 < row["brightness"] < 1 and row["sharpness"] > 0 for row in rows)
    assert Image.open(io.BytesIO(found[str(source / "plum/3.png")][1])).size == (32, 32)
    plain = pd.read_parquet(f"{first_run.output}/thumbnails")
    assert sorted(plain["path"]) == sorted(found)


@pytest.mark.parametrize(
    "point",
    ["before commit thumbnails", "after copy thumbnails", "after commit thumbnails",
     "before commit features", "after commit features"],
)  # fmt: skip
def test_a_killed_run_and_the_next_leave_what_one_run_does(run, first, source, point):
    """Of images that were there some changed, some are new; one is broken, one no more."""
    (source / "apple/0.png").write_bytes((source / "plum/0.png").read_bytes())
    (source / "apple/1.png").write_bytes((source / "plum/1.png").read_bytes()[:-30])
    Image.new("RGB", (40, 40), "red").save(source / "lemon/new.png")
    with pytest.raises(KeyboardInterrupt), dying(Death(point, is_kill=True)) as death:
        run(source, first.root)
    assert death.reached == point
    healed = run(source, first.root)
    assert pictures(first) == pictures(run(source, f"{first.root}-whole").output)
    assert healed.features().num_rows == 40
    assert death.reached != "after commit thumbnails" or n_read(healed) == 1, "what failed"


def n_read(result: Result) -> int:
    return result.record["embedding"]["images"]


def test_none_is_kept_where_none_is_asked_for(run, source, output):
    without = run(source, output.root, thumbnails=False, report=True)
    assert without.features()["sharpness"].null_count == 0
    assert not Path(output.root, "thumbnails").exists()
    assert without.record["report"]["n_thumbnails"] == 0
    assert b"Made without thumbnails, as requested." in output.get("report/index.html").tobytes()
    with_them = run(source, output.root, replace=True, report=True)
    assert with_them.record["report"]["n_thumbnails"] == 40
    run(source, output.root, replace=True, thumbnails=False)
    assert pictures(output) == {}
    assert not list(Path(output.root, "thumbnails").glob("*.parquet")) or not any(
        b"\xff\xd8\xff" in path.read_bytes() for path in Path(output.root).rglob("*.parquet")
    )


def test_a_run_on_aws_has_the_setting_too():
    config = RunConfig(sources=("s3://b/photos",), output="s3://b/out", thumbnails=False)
    assert describe(config)["thumbnails"] is False
    for command in (["run"], ["cluster", "run"]):
        assert "--no-thumbnails" in CliRunner().invoke(main, [*command, "--help"]).output


def test_an_erased_image_leaves_no_pixel(run, first, source):
    erased = str(source / "plum/3.png")
    jpeg = pictures(first)[erased][1]

    def holds_it() -> bool:
        files = [path.read_bytes() for path in Path(first.root).rglob("*") if path.is_file()]
        tables = [pd.read_parquet(io.BytesIO(data)) for data in files if data[:4] == b"PAR1"]
        stored = [cell for table in tables for cell in table.get("jpeg", ())]
        return any(jpeg in data for data in (*files, *stored))

    assert holds_it()
    assert erase(first, [erased]).rows["thumbnails"] == 1
    assert not holds_it()
    assert len(pictures(first)) == 39
    run(source, first.root)
    assert len(pictures(first)) == 39


def test_what_changed_or_came_to_be_read_has_its_new_picture_and_what_went_keeps_its_own(
    run, first, source
):
    before = pictures(first)
    changed, broken, went = (str(source / f"plum/{number}.png") for number in (1, 2, 3))
    whole = Path(broken).read_bytes()
    Path(changed).write_bytes((source / "apple/5.png").read_bytes())
    Path(broken).write_bytes(whole[:-30])
    Path(went).unlink()
    run(source, first.root)
    now = pictures(first)
    assert now[changed] == before[str(source / "apple/5.png")]
    assert now[broken][0] is None
    assert now[went] == before[went]
    Path(broken).write_bytes(whole)
    run(source, first.root)
    assert pictures(first)[broken] == before[broken]


def test_of_many_images_a_part_has_one_and_growth_takes_none_away(run, source, output, monkeypatch):
    monkeypatch.setattr(thumbnail, "MOST", 20)
    hidden = (source / "plum").rename(source / ".plum")
    run(source, output.root)
    before = pictures(output)
    assert set(before) == {p for p in paths_of(output) if gets_one(p, 20 / 30)}
    assert 0 < len(before) < 30
    hidden.rename(source / "plum")
    run(source, output.root)
    new = {p for p in paths_of(output) if "/plum/" in p and gets_one(p, 20 / 40)}
    assert new
    assert set(pictures(output)) == set(before) | new


def paths_of(output: Output) -> list[str]:
    return Tables(output).read("features", ["path"])["path"].to_pylist()


def test_a_result_of_an_earlier_version_is_added_to(run, first, source, monkeypatch):
    rows = Tables(first).read("features")
    old = [name for name in FEATURES.names if name not in QUALITY]
    for table in ("features", "thumbnails"):
        shutil.rmtree(Path(first.root, table))
    Path(first.root, "_versions.json").unlink()
    with monkeypatch.context() as earlier:
        earlier.setitem(SCHEMAS, "features", FEATURES.empty_table().select(old).schema)
        run_id = new_run_id()
        staged = staging.stage(first, run_id, "features", "0", rows.select(old))
        Tables(first).commit(run_id, "features", [staged])
    assert Result.open(first.root).features()["sharpness"].null_count == 40
    Image.new("RGB", (40, 40), "red").save(source / "lemon/new.png")
    (source / "plum/1.png").write_bytes((source / "plum/0.png").read_bytes())
    added = run(source, first.root, report=True)
    assert added.record["counts"]["embedded"] == 2
    found = added.features()
    assert (found.num_rows, found["sharpness"].null_count) == (41, 39)
    assert added.record["report"]["n_thumbnails"] == 2
    assert {field.name for field in DeltaTable(first.url("features")).schema().fields} == set(
        FEATURES.names
    )
    assert CliRunner().invoke(main, ["optimize", first.root]).exit_code == 0
    assert Result.open(first.root).features() == found
