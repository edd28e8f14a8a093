"""Two results are equal where nobody could tell them apart; a difference is told by its size."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from orchard.cli import main
from orchard.errors import TableError
from orchard.records import ERRORS, list_column, vectors_of
from orchard.result.compare import Comparison, compare
from orchard.store import models, staging
from orchard.store.output import Output
from orchard.store.snapshot import SCHEMAS
from orchard.store.tables import Tables

Vectors = np.ndarray


@pytest.fixture
def copy(result: Path, tmp_path: Path) -> Output:
    """A copy of the result, to be changed."""
    return Output.at(shutil.copytree(result, tmp_path / "copy"))


def rewrite(output: Output, table: str, rows: pa.Table) -> None:
    staged = [staging.stage(output, "changed", table, "0", rows)]
    Tables(output).commit("changed", table, staged, overwrite=True)


def change(output: Output, table: str, how: Callable[[Vectors], None]) -> None:
    """Write a table anew, its vectors, in the order of the paths, changed in place."""
    rows = Tables(output).read(table)
    vectors = vectors_of(rows[table]).copy()
    how(vectors)
    type_ = SCHEMAS[table].field(table).type
    at = rows.column_names.index(table)
    rewrite(
        output,
        table,
        rows.set_column(at, SCHEMAS[table].field(table), list_column(vectors, type_)),
    )


def compared(result: Path, copy: Output) -> Comparison:
    """The comparison, which must not depend on which of the two comes first."""
    forth, back = compare(Output.at(result), copy), compare(copy, Output.at(result))
    assert forth.is_equal == back.is_equal
    assert forth.feature_difference == pytest.approx(back.feature_difference, nan_ok=True)
    return forth


def test_a_copy_is_equal(result: Path, copy: Output) -> None:
    found = compared(result, copy)
    assert found.is_equal
    assert (found.n_both, found.n_only_a, found.n_only_b) == (38, 0, 0)
    assert found.feature_difference == found.component_difference == 0
    assert found.variance_difference == 0
    assert found.n_components == (5, 5)


def test_the_order_of_rows_and_files_does_not_matter(result: Path, copy: Output) -> None:
    rows = Tables(copy).read("features")
    shuffled = rows.take(np.random.default_rng(1).permutation(rows.num_rows))
    staged = [
        staging.stage(copy, "changed", "features", name, part)
        for name, part in (("b", shuffled.slice(0, 11)), ("a", shuffled.slice(11)))
    ]
    Tables(copy).commit("changed", "features", staged, overwrite=True)
    assert compared(result, copy).feature_difference == 0


def test_a_component_counts_up_to_its_sign(result: Path, copy: Output) -> None:
    def flip(vectors: Vectors) -> None:
        vectors[:, [0, 3]] *= -1

    change(copy, "components", flip)
    assert compared(result, copy).component_difference == 0

    def flip_one_row(vectors: Vectors) -> None:
        vectors[0, 1] *= -1

    change_again = Output.at(shutil.copytree(result, Path(copy.root).with_name("other")))
    change(change_again, "components", flip_one_row)
    assert not compared(result, change_again).is_equal


@pytest.mark.parametrize(("moved", "equal"), [(0.5e-4, True), (3e-4, False), (np.nan, False)])
def test_a_feature_may_move_within_the_tolerance(
    result: Path, copy: Output, moved: float, equal: bool
) -> None:
    def move(vectors: Vectors) -> None:
        vectors[7, 100] += moved

    change(copy, "features", move)
    found = compared(result, copy)
    assert found.feature_difference == pytest.approx(moved, rel=0.01, nan_ok=True)
    assert found.is_equal is equal
    assert compare(Output.at(result), copy, tolerance=1e-2).is_equal is (moved == moved)


@pytest.mark.parametrize(("moved", "equal"), [(0.5e-3, True), (2e-3, False), (np.nan, False)])
def test_a_component_may_move_by_a_share_of_its_standard_deviation(
    result: Path, copy: Output, moved: float, equal: bool
) -> None:
    card = models.current_pca(Tables(copy))
    assert card is not None
    deviation = np.sqrt(models.load_pca(copy, card.pca_id)[0].explained_variance[2])

    def move(vectors: Vectors) -> None:
        vectors[7, 2] += moved * deviation

    change(copy, "components", move)
    found = compared(result, copy)
    assert found.component_difference == pytest.approx(moved, rel=0.01, nan_ok=True)
    assert found.is_equal is equal


def test_images_that_differ_are_named(result: Path, copy: Output) -> None:
    rows = Tables(copy).read("features")
    vectors, type_ = vectors_of(rows["features"]).copy(), SCHEMAS["features"].field("features")
    vectors[7, 100] += 0.5
    vectors[9, 3] += 2
    at = rows.column_names.index("features")
    moved = rows.set_column(at, type_, list_column(vectors, type_.type))
    rewrite(copy, "features", moved.slice(1))
    rewrite(copy, "errors", ERRORS.empty_table())
    paths = rows["path"].to_pylist()
    found = compare(Output.at(result), copy)
    assert found.only_a == (paths[0],)
    assert found.only_b == ()
    assert [path for path, _ in found.unlike] == [paths[9], paths[7]]
    assert found.n_unlike == 2
    assert found.unlike_errors == tuple(
        sorted(Tables(Output.at(result)).read("errors")["path"].to_pylist())
    )
    said = CliRunner().invoke(main, ["compare", str(result), str(copy.root)])
    for path in (paths[0], paths[7], paths[9]):
        assert path in said.output


def test_a_missing_image_is_a_difference(result: Path, copy: Output) -> None:
    rewrite(copy, "features", Tables(copy).read("features").slice(1))
    found = compare(Output.at(result), copy)
    assert (found.n_both, found.n_only_a, found.n_only_b) == (37, 1, 0)
    assert not compared(result, copy).is_equal


def test_other_errors_are_a_difference(result: Path, copy: Output) -> None:
    rows = Tables(copy).read("errors").to_pylist()
    rows[0]["reason"] = "corrupt"
    rewrite(copy, "errors", pa.Table.from_pylist(rows, schema=ERRORS))
    found = compared(result, copy)
    assert not found.errors_equal
    assert not found.is_equal


def test_another_number_of_components_is_a_difference(result: Path, copy: Output) -> None:
    card = models.current_pca(Tables(copy))
    assert card is not None
    pca, _ = models.load_pca(copy, card.pca_id)
    fewer = models.save_pca(
        copy,
        type(pca)(pca.mean, pca.scale, pca.components[:3], pca.explained_variance, pca.n_samples),
        requested=3,
        standardize=card.standardize,
        fingerprint=card.fingerprint,
        notice=None,
    )
    rows = Tables(copy).read("components").to_pylist()
    for row in rows:
        row |= {"components": row["components"][:3], "pca_id": fewer.pca_id}
    rewrite(copy, "components", pa.Table.from_pylist(rows, schema=SCHEMAS["components"]))
    found = compared(result, copy)
    assert set(found.n_components) == {5, 3}
    assert found.component_difference is None
    assert not found.is_equal


def test_features_of_another_width_are_an_error(result: Path, copy: Output) -> None:
    rows = Tables(copy).read("features").to_pylist()
    for row in rows:
        row["features"] = row["features"][:7]
    rewrite(copy, "features", pa.Table.from_pylist(rows, schema=SCHEMAS["features"]))
    with pytest.raises(TableError, match=r"features have 1280 values in .* and 7 in .*copy$"):
        compare(Output.at(result), copy)


def test_a_folder_without_a_result_is_an_error_and_stays_as_it_is(
    result: Path, tmp_path: Path
) -> None:
    with pytest.raises(TableError, match=r"holds no features; expected the OUTPUT of a run$"):
        compare(Output.at(result), Output.at(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_equal_or_ends_with_9(result: Path, copy: Output) -> None:
    equal = CliRunner().invoke(main, ["compare", str(result), copy.root])
    assert equal.exit_code == 0
    assert equal.stdout.endswith("\nequal\n")

    def move(vectors: Vectors) -> None:
        vectors[7, 100] += 0.01

    change(copy, "features", move)
    differ = CliRunner().invoke(main, ["compare", str(result), copy.root])
    assert differ.exit_code == 9
    assert differ.stderr == f"orchard: {result} and {copy.root} differ\n"
    assert "0.01" in differ.stdout
    allowed = ["--tolerance", "0.1"]
    assert CliRunner().invoke(main, ["compare", str(result), copy.root, *allowed]).exit_code == 0
