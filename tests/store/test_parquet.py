"""Damage to a table's files is noticed, and a log names nothing outside its folder."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from orchard.errors import DamagedError, TableError
from orchard.records import FEATURES
from orchard.reduction import Moments
from orchard.store import contents, models, staging
from orchard.store.compaction import compact
from orchard.store.models import StoredMoments
from orchard.store.output import Output
from orchard.store.tables import Tables


@pytest.fixture
def output(tmp_path: Path) -> Output:
    output = Output.at(tmp_path / "out")
    for run_id, paths in (("r1", "abc"), ("r2", "de")):
        staged = [staging.stage(output, run_id, "features", "0", rows(paths))]
        Tables(output).commit(run_id, "features", staged)
    return output


def rows(paths: str) -> pa.Table:
    found = [{"path": path, "label": "plum", "features": [1.0, 2.0]} for path in paths]
    return pa.Table.from_pylist(found, schema=FEATURES)


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bytes(data))


def first(output: Output) -> Path:
    return Path(output.root, Tables(output)["features"].files[0].path)


def test_whichever_bit_is_flipped_a_whole_read_notices_it(output: Output) -> None:
    path = first(output)
    for bit in range(0, path.stat().st_size * 8, 101):
        flip(path, bit)
        with pytest.raises(DamagedError, match=r"is not as it was stored \(.*\); restore it"):
            contents.read_file(output, f"features/{path.name}")
        flip(path, bit)
    assert Tables(output).read("features").num_rows == 5


def test_whichever_bit_is_flipped_a_read_of_some_columns_notices_it_or_is_right(
    output: Output,
) -> None:
    path = first(output)
    expected = contents.read_file(output, f"features/{path.name}", ["path", "features"])
    n_noticed = 0
    for bit in range(0, path.stat().st_size * 8, 23):
        flip(path, bit)
        try:
            found = contents.read_file(output, f"features/{path.name}", ["path", "features"])
            assert found == expected, f"bit {bit} changed what was read"
        except DamagedError:
            n_noticed += 1
        flip(path, bit)
    assert n_noticed > 4000 / 23, "the footer alone has more bits"


def test_a_file_that_is_cut_is_noticed(output: Output) -> None:
    path = first(output)
    path.write_bytes(path.read_bytes()[:-1])
    for columns in (None, ["path"]):
        with pytest.raises(DamagedError, match="not as it was stored"):
            contents.read_file(output, f"features/{path.name}", columns)


def test_plain_readers_need_not_know(output: Output) -> None:
    folder = f"{output.root}/features"
    assert sorted(pd.read_parquet(folder)["path"]) == list("abcde")
    assert sorted(pl.read_parquet(f"{folder}/*.parquet")["path"]) == list("abcde")
    query = f"select path from read_parquet('{folder}/*.parquet') order by path"
    assert [row[0] for row in duckdb.sql(query).fetchall()] == list("abcde")


def test_merged_files_have_checksums_and_damage_is_not_merged(output: Output) -> None:
    path = first(output)
    flip(path, path.stat().st_size * 4)
    with pytest.raises(DamagedError, match="not as it was stored"):
        compact(output, 2**20)
    flip(path, path.stat().st_size * 4)
    assert compact(output, 2**20)["features"] == 1
    assert len(Tables(output)["features"].files) == 1
    test_whichever_bit_is_flipped_a_whole_read_notices_it(output)


def test_a_file_without_checksums_is_read_and_its_texts_are_looked_at(output: Output) -> None:
    """As 0.1.0 wrote them: 8 random digits at the end of the name."""
    folder = Path(output.root, "features")
    old = folder / "part-r0-000000-0a1b2c3d.parquet"
    pq.write_table(rows("xyz"), old, compression="zstd")
    assert contents.read_file(output, f"features/{old.name}")["path"].to_pylist() == list("xyz")
    vectors = pa.array([[1.0, 2.0], [1.0], [1.0, 2.0]], FEATURES.field("features").type)
    ragged = rows("xyz").set_column(
        FEATURES.get_field_index("features"), FEATURES.field("features"), vectors
    )
    pq.write_table(ragged, old)
    with pytest.raises(DamagedError, match="vectors are not of one length"):
        contents.read_file(output, f"features/{old.name}", ["features"])


@pytest.mark.parametrize(
    "name",
    [
        "../../secret.parquet",
        "/etc/secret.parquet",
        "..%2Fsecret.parquet",
        "sub/part.parquet",
        "s3://bucket/part.parquet",
        "http://169.254.169.254/part.parquet",
        ".hidden.parquet",
        "part.csv",
    ],
)
def test_a_log_that_names_a_file_elsewhere_is_refused(output: Output, name: str) -> None:
    pq.write_table(rows("s"), Path(output.root).parent / "secret.parquet")
    log = Path(output.root, "features/_delta_log/00000000000000000003.json")
    add = {"path": name, "partitionValues": {}, "size": 9, "modificationTime": 0,
           "dataChange": True, "stats": json.dumps({"numRecords": 1})}  # fmt: skip
    log.write_text(json.dumps({"add": add}) + "\n")
    with pytest.raises(DamagedError, match="is no file of this folder"):
        Tables(output).read("features")


def test_a_link_in_a_table_leads_to_no_file_outside(output: Output, tmp_path: Path) -> None:
    path = first(output)
    moved = path.rename(tmp_path / "elsewhere.parquet")
    path.symlink_to(moved)
    with pytest.raises(TableError, match="it lies outside OUTPUT, through a link"):
        Tables(output).read("features")


@pytest.mark.parametrize("content", [b"", b"{}\n"])
@pytest.mark.parametrize("number", [1, 2])
def test_an_entry_of_the_log_that_was_emptied_is_noticed(
    output: Output, number: int, content: bytes
) -> None:
    Path(output.root, f"features/_delta_log/{number:020d}.json").write_bytes(content)
    with pytest.raises(TableError):
        len(Tables(output)["features"].files)


def test_what_another_program_adds_to_the_log_is_its_own_affair(output: Output) -> None:
    DeltaTable(f"{output.root}/features").vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert Tables(output)["features"].n_rows == 5


def test_damaged_moments_are_refused(output: Output) -> None:
    moments = Moments.of(np.arange(12, dtype=np.float32).reshape(4, 3))
    models.save_moments(output, StoredMoments(moments, frozenset({"features/a"})))
    stored = models.load_moments(output)
    assert stored is not None
    assert stored.moments.n_samples == 4
    path = Path(output.root, "models/moments.safetensors")
    kept = path.read_bytes()
    n_noticed = 0
    for bit in range(0, len(kept) * 8, 5):
        flip(path, bit)
        try:
            found = models.load_moments(output)
            assert found is not None
            assert np.array_equal(found.moments.scatter, stored.moments.scatter)
            assert np.array_equal(found.moments.mean, stored.moments.mean)
            assert (found.moments.n_samples, found.files) == (4, stored.files)
        except DamagedError:
            n_noticed += 1
        path.write_bytes(kept)
    assert n_noticed > len(kept)


def test_a_json_file_tells_whichever_bit_is_flipped(output: Output) -> None:
    content = {"salt": "ab", "hashes": ["cd", "ef"], "n": 1.5}
    output.put_json("erasure/suppressed.json", content)
    path = Path(output.root, "erasure/suppressed.json")
    for bit in range(path.stat().st_size * 8):
        flip(path, bit)
        try:
            found = output.get_json("erasure/suppressed.json")
            assert content.items() <= found.items(), "what was stored is there"
        except DamagedError:
            pass
        flip(path, bit)
    assert output.get_json("erasure/suppressed.json") == content


def test_a_json_file_without_a_checksum_is_read(output: Output) -> None:
    output.put("runs/old.json", b'{"a": 1}')
    assert output.get_json("runs/old.json") == {"a": 1}
