"""The whole run: counts close, results do not depend on partitions, reruns do only what is new."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchard.errors import (
    ReductionError,
    SourceError,
    TableError,
    TooManyErrors,
    WeightsError,
)
from orchard.images.decode import decode
from orchard.model import Embedder, load_model
from orchard.records import vectors_of
from orchard.result import Result
from orchard.result.compare import compare
from orchard.store.damage import to_json
from orchard.store.output import Output


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def first(photo_result, tmp_path) -> Result:
    """What a first run of the photos left in tmp_path/out."""
    output = shutil.copytree(photo_result.output, tmp_path / "out")
    return replace(photo_result, output=str(output))


def test_a_run_leaves_a_row_for_each_image_and_closes_its_counts(photo_result, photos):
    result = photo_result
    features, components = result.features(), result.components()
    paths = sorted(str(p) for p in photos.rglob("*.png"))
    assert features["path"].to_pylist() == paths
    assert components["path"].to_pylist() == paths
    assert vectors_of(features["features"]).shape == (40, 1280)
    assert vectors_of(components["components"]).shape == (40, 5)
    assert set(features["label"].to_pylist()) == {"apple", "lemon", "plum", "sweet pepper"}
    assert result.errors().num_rows == 0
    counts = result.record["counts"]
    assert counts["listed"] == 40 == counts["embedded"]
    (record,) = Path(result.output, "runs").iterdir()
    stored = json.loads(record.read_text())
    assert stored.pop("checksum")
    assert stored == result.record


def test_features_are_those_of_the_plain_functions(run, photos, tmp_path):
    result = run(photos, tmp_path / "out", limit=3, components=2)
    embedder = Embedder(load_model("fruit", 32))
    for row in result.features().to_pylist():
        pixels = decode(Path(row["path"]).read_bytes(), 32)
        expected = embedder(pixels.array[None])[0]
        np.testing.assert_allclose(row["features"], expected, atol=1e-5)
        assert (row["width"], row["height"]) == (40, 40)


def test_components_are_the_projection_by_the_stored_model(photo_result):
    from safetensors.numpy import load_file

    result, output = photo_result, Path(photo_result.output)
    card = result.record["pca"]
    model = load_file(output / "models/pca" / card["pca_id"] / "model.safetensors")
    features = vectors_of(result.features()["features"]).astype(np.float64)
    expected = (features - model["mean"]) / model["scale"] @ model["components"].T
    found = vectors_of(result.components()["components"])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert set(result.components()["pca_id"].to_pylist()) == {card["pca_id"]}
    csv = (output / "explained_variance.csv").read_text().splitlines()
    assert csv[0] == "component,variance,ratio,cumulative_ratio"
    assert float(csv[-1].split(",")[3]) == pytest.approx(1)


def test_results_do_not_depend_on_partitions_or_the_order_of_files(
    run, photo_result, photos, tmp_path, monkeypatch
):
    shuffled = tmp_path / "photos"
    for path in sorted(photos.rglob("*.png"), reverse=True):
        target = shuffled / path.relative_to(photos)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    monkeypatch.setattr("orchard.pipeline.planning.MIN_IMAGES", 3)
    second = run(shuffled, tmp_path / "b")
    assert second.record["embedding"]["tasks"] > photo_result.record["embedding"]["tasks"]
    for name in ("features", "components"):
        a, b = (vectors_of(getattr(r, name)()[name]) for r in (photo_result, second))
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_without_broadcast_the_result_is_the_same(run, photo_result, photos, tmp_path):
    with_broadcast = photo_result
    without = run(photos, tmp_path / "b", broadcast=False)
    assert with_broadcast.record["embedding"]["broadcast_bytes"] > 1_000_000
    assert without.record["embedding"]["broadcast_bytes"] == 0
    assert compare(Output.at(with_broadcast.output), Output.at(without.output)).is_equal


def test_a_session_is_loaded_at_most_once_per_worker_process(run, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("orchard.pipeline.planning.MIN_IMAGES", 2)
    embedding = run(photos, tmp_path / "a", weights="fruit", size=33).record["embedding"]
    assert embedding["tasks"] == 27
    assert 1 <= embedding["model_loads"] <= embedding["worker_processes"] <= 2
    again = run(photos, tmp_path / "b", weights="fruit", size=33).record["embedding"]
    assert again["model_loads"] == 0, "a reused worker keeps its session across jobs"


def test_running_again_changes_nothing(run, first, photos, tmp_path):
    before = contents(tmp_path / "out")
    again = run(photos, tmp_path / "out")
    assert again.record["counts"]["already_there"] == 40
    assert contents(tmp_path / "out") == before


def test_only_new_and_changed_images_are_embedded(run, photos, tmp_path):
    source = shutil.copytree(photos, tmp_path / "photos")
    run(source, tmp_path / "out")
    shutil.copy(source / "plum/0.png", source / "plum/new.png")
    shutil.copy(source / "plum/1.png", source / "apple/0.png")  # another picture, another time
    os.utime(source / "apple/0.png", (1, 1))
    (source / "lemon/3.png").write_bytes(b"no picture any more")
    (source / "lemon/4.png").unlink()
    again = run(source, tmp_path / "out")
    counts = again.record["counts"]
    assert (counts["new"], counts["changed"], counts["already_there"]) == (1, 2, 37)
    assert (counts["embedded"], counts["errors"], counts["gone"]) == (2, 1, 1)
    fresh = run(source, tmp_path / "fresh")
    kept = [row for row in again.features().to_pylist() if not row["path"].endswith("lemon/4.png")]
    assert [r["path"] for r in kept] == fresh.features()["path"].to_pylist()
    for left, right in zip(kept, fresh.features().to_pylist(), strict=True):
        np.testing.assert_allclose(left["features"], right["features"], atol=1e-5)
    assert [r["reason"] for r in again.errors().to_pylist()] == ["not_an_image"]


def test_an_image_that_was_mended_leaves_the_errors(run, photos, tmp_path):
    source = shutil.copytree(photos, tmp_path / "photos")
    good = (source / "plum/0.png").read_bytes()
    (source / "plum/0.png").write_bytes(good[:50])
    first = run(source, tmp_path / "out")
    assert [r["reason"] for r in first.errors().to_pylist()] == ["truncated"]
    unchanged = run(source, tmp_path / "out")
    assert unchanged.record["counts"]["known_errors"] == 1
    (source / "plum/0.png").write_bytes(good)
    mended = run(source, tmp_path / "out")
    assert mended.errors().num_rows == 0
    assert mended.features().num_rows == mended.components().num_rows == 40


def test_retry_errors_tries_again_what_would_fail_again(run, photos, tmp_path):
    source = shutil.copytree(photos, tmp_path / "photos")
    (source / "plum/0.png").write_bytes(b"")
    run(source, tmp_path / "out")
    again = run(source, tmp_path / "out", retry_errors=True)
    assert again.record["counts"]["retried"] == 1
    assert [r["reason"] for r in again.errors().to_pylist()] == ["empty"]


def test_other_components_need_no_embedding(run, first, photos, tmp_path):
    again = run(photos, tmp_path / "out", components=0.8, standardize=False)
    assert again.record["embedding"]["images"] == 0
    assert again.record["pca"]["requested"] == 0.8
    assert again.components().num_rows == 40
    assert len(list((tmp_path / "out/models/pca").iterdir())) == 2, "the older model stays"


def test_features_of_another_kind_are_not_mixed_in(run, first, photos, tmp_path):
    with pytest.raises(TableError, match=r"size was 32 and is 48.*another OUTPUT, or --replace"):
        run(photos, tmp_path / "out", size=48)
    replaced = run(photos, tmp_path / "out", size=48, replace=True)
    assert replaced.features().num_rows == 40
    assert set(replaced.features()["fingerprint"].to_pylist()) == {replaced.record["fingerprint"]}


def test_a_library_that_moves_the_probe_stops_the_run(run, first, photos, tmp_path):
    card = tmp_path / "out/models/embedding" / f"{first.record['fingerprint']}.json"
    stored = json.loads(card.read_text())
    stored["probe_features"][3] += 0.01
    stored["versions"]["pillow"] = "1.0"
    card.write_text(to_json(stored))
    with pytest.raises(TableError, match=r"moved by 0.01 .*pillow 1.0 →"):
        run(photos, tmp_path / "out")


def test_all_failed_is_an_error_of_its_own(run, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / "in" / f"{number}.jpg").write_text("no picture")
    with pytest.raises(TooManyErrors, match="all 3 images failed"):
        run(tmp_path / "in", tmp_path / "out")


def test_more_errors_than_allowed_stop_the_run_and_change_nothing(run, photos, tmp_path):
    source = shutil.copytree(photos, tmp_path / "photos")
    for path in sorted(source.rglob("*.png"))[:4]:
        path.write_bytes(b"")
    with pytest.raises(TooManyErrors, match=r"4 of 40 images failed, more than the 2 .*4 empty"):
        run(source, tmp_path / "out", max_errors="5%")
    assert not (tmp_path / "out/features").exists()
    assert run(source, tmp_path / "out", max_errors="4").features().num_rows == 36


def test_too_few_images_for_a_pca_keep_their_features(run, photos, tmp_path):
    with pytest.raises(ReductionError, match="at least two images with features, and there are 1"):
        run(photos, tmp_path / "out", limit=1)
    with pytest.raises(ReductionError, match=r"--components 30: .* at most 19"):
        run(photos, tmp_path / "out", limit=20, components=30)


def test_a_dry_run_writes_nothing(run, photos, tmp_path):
    result = run(photos, tmp_path / "out", dry_run=True)
    assert not (tmp_path / "out").exists()
    assert result.record["counts"]["listed"] == 40
    assert result.record["estimate"]["n_timed"] == 40
    assert result.record["estimate"]["images_per_second"] > 0


def test_an_output_inside_the_source_is_not_read(run, photos, tmp_path):
    source = shutil.copytree(photos, tmp_path / "photos")
    run(source, source / "out")
    assert run(source, source / "out").record["counts"]["listed"] == 40


def test_two_runs_at_once_on_one_output_are_refused(run, photos, tmp_path):
    with (
        Output.at(tmp_path / "out").lock(),
        pytest.raises(TableError, match=r"is being written by process \d+"),
    ):
        run(photos, tmp_path / "out")


def test_what_an_interrupted_run_embedded_is_taken_over(
    run, photo_result, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr("orchard.pipeline.planning.MIN_IMAGES", 10)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("orchard.pipeline.steps.commit", killed)
        with pytest.raises(KeyboardInterrupt):
            run(photos, tmp_path / "out")
    assert not (tmp_path / "out/features").exists(), "no half table"
    touched = photos / "apple/0.png"
    after = run(photos, tmp_path / "out")
    assert after.record["counts"]["adopted"] == 40
    assert after.record["embedding"]["images"] == 0
    assert after.features()["path"].to_pylist()[0] == str(touched)
    assert compare(Output.at(after.output), Output.at(photo_result.output)).is_equal
    assert not (tmp_path / "out/_staging").exists()


def test_staged_rows_of_a_changed_image_are_not_taken_over(run, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("orchard.pipeline.planning.MIN_IMAGES", 10)
    source = shutil.copytree(photos, tmp_path / "photos")
    with monkeypatch.context() as patch:
        patch.setattr(
            "orchard.pipeline.steps.commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            run(source, tmp_path / "out")
    shutil.copy(source / "plum/1.png", source / "apple/0.png")
    os.utime(source / "apple/0.png", (1, 1))
    after = run(source, tmp_path / "out")
    assert after.record["counts"]["adopted"] == 31
    assert after.features().num_rows == 40


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"weights": "resnet"}, WeightsError, "resnet"),
        ({"sources": ("/no/such/folder",)}, SourceError, "no such folder, file or pattern"),
    ],
)
def test_what_is_missing_is_named(run, photos, tmp_path, settings, error, text):
    source = tuple(map(Path, settings.pop("sources", (photos,))))
    with pytest.raises(error, match=text):
        run(source, tmp_path / "out", **settings)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_that_cannot_be_written_is_named(run, photos, tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(TableError, match="permission denied"):
        run(photos, tmp_path / "out")
