"""A result over time: a PCA that is kept or refitted, images that go, erasure, small files."""

from __future__ import annotations

import gzip
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from rich.console import Console

from orchard.cli import main
from orchard.progress import Reporter
from orchard.records import vectors_of
from orchard.result import Result
from orchard.store import contributions, galleries, models, reviews
from orchard.store.erase import erase
from orchard.store.output import Output
from orchard.store.snapshot import SCHEMAS
from orchard.store.tables import Tables


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output.at(tmp_path / "out")


@pytest.fixture
def first(first_run: Result, source: Path, output: Output) -> Result:
    """What the first run of `source` left, in `output`."""
    shutil.copytree(first_run.output, output.root)
    return replace(first_run, output=output.root)


def add_pictures(folder: Path, n: int, *, flat: bool = False) -> None:
    rng = np.random.default_rng(n)
    folder.mkdir(exist_ok=True)
    for number in range(n):
        shape = (2, 2, 3) if flat else (40, 40, 3)
        image = Image.fromarray(rng.integers(0, 256, shape, np.uint8))
        image.resize((40, 40)).save(folder / f"added{number}.png")


def test_a_few_new_images_are_projected_on_the_pca_that_is_there(run, first, source, output):
    add_pictures(source / "apple", 3)
    second = run(source, output.root)
    assert second.record["pca"]["pca_id"] == first.record["pca"]["pca_id"]
    assert second.record["pca"]["n_samples"] == 40
    assert second.components().num_rows == 43
    pca, _ = models.load_pca(output, first.record["pca"]["pca_id"])
    expected = pca.transform(vectors_of(second.features()["features"]))
    found = vectors_of(second.components()["components"])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_many_new_images_refit_and_only_they_are_read(run, first, source, output):
    add_pictures(source / "apple", 5)
    second = run(source, output.root)
    assert second.record["pca"]["pca_id"] != first.record["pca"]["pca_id"]
    assert second.record["moments_read"] == 5
    fresh = run(source, f"{output.root}-fresh")
    for ours, theirs in zip(
        models.load_pca(output, second.record["pca"]["pca_id"])[0].explained_variance,
        models.load_pca(Output.at(fresh.output), fresh.record["pca"]["pca_id"])[
            0
        ].explained_variance,
        strict=True,
    ):
        assert ours == pytest.approx(theirs, abs=1e-9)
    assert models.load_pca(output, first.record["pca"]["pca_id"]), "older models stay readable"


def test_refit_and_keep_do_as_they_say(run, first, source, output):
    pca_id = first.record["pca"]["pca_id"]
    add_pictures(source / "apple", 30)
    assert run(source, output.root, pca="keep").record["pca"]["pca_id"] == pca_id
    refitted = run(source, output.root, pca="refit").record["pca"]
    assert refitted["pca_id"] != pca_id
    assert refitted["n_samples"] == 70


def test_a_kept_pca_that_explains_clearly_less_is_said_to_with_a_figure(run, source, output):
    run(source, output.root, components=0.9)
    add_pictures(source / "noise", 20)
    said = io.StringIO()
    reporter = Reporter(Console(file=said, width=300))
    from orchard import RunConfig
    from orchard import run as run_now

    config = RunConfig(
        sources=(str(source),),
        output=output.root,
        weights="fruit",
        size=32,
        components=0.9,
        pca="keep",
    )
    record = run_now(config, reporter).record["pca"]
    assert record["variance_kept_of_new"] < record["variance_kept"] - 0.05
    assert f"explains {record['variance_kept_of_new']:.1%} of the new" in said.getvalue()


def test_a_changed_image_is_projected_anew_under_a_kept_pca(run, first, source, output):
    add_pictures(source / "apple", 1)
    (source / "apple/added0.png").replace(source / "apple/0.png")
    again = run(source, output.root, pca="keep")
    pca, _ = models.load_pca(output, again.record["pca"]["pca_id"])
    expected = pca.transform(vectors_of(again.features()["features"]))
    found = vectors_of(again.components()["components"])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    plain = pd.read_parquet(f"{output.root}/components")
    assert sorted(plain["path"]) == again.components()["path"].to_pylist()


def test_what_a_run_does_not_look_at_is_not_gone(run, first, source, output):
    only = run(source / "plum", output.root)
    assert only.record["counts"]["gone"] == 0
    assert run(source, output.root, exclude=("0.png",)).record["counts"]["gone"] == 0
    assert run(source, output.root, limit=5).record["counts"]["gone"] == 0


def everything_under(folder: str) -> bytes:
    """All bytes below a folder, those of compressed Parquet files as rows and as numbers too."""
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    contents = [path.read_bytes() for path in files]
    for path in files:
        if path.suffix == ".parquet":
            rows = pq.ParquetFile(path).read()
            contents.append(rows.to_pylist().__repr__().encode())
            lists = [column for column in rows.columns if pa.types.is_list(column.type)]
            contents += [np.asarray(pc.list_flatten(c), np.float32).tobytes() for c in lists]
        elif path.suffix == ".gz":
            contents.append(gzip.decompress(path.read_bytes()))
    return b"".join(contents)


def vectors_of_image(result, path: str) -> list[bytes]:
    """Four numbers of its features and of its components, as they would lie in any file: around the
    largest, since most features of a small picture are 0."""
    at = result.features()["path"].to_pylist().index(path)
    tables_ = (result.features()["features"], result.components()["components"])
    rows = [vectors_of(column)[at] for column in tables_]
    starts = [min(int(row.argmax()), len(row) - 4) for row in rows]
    return [row[start : start + 4].tobytes() for row, start in zip(rows, starts, strict=True)]


CLASSIFIER = "models/classifier/0123456789abcdef"
KILLED = "20260101T120000.000000Z-0000a1"  # the id of a run


def add_classifier(result, person: str) -> Path:
    """What a classifier keeps of the images: a gallery to show the nearest, and words of some."""
    folder = Path(result.output, CLASSIFIER)
    folder.mkdir(parents=True)
    gallery = result.components().select(["path", "label", "components"])
    rows = gallery.rename_columns(galleries.SCHEMA.names).cast(galleries.SCHEMA)
    galleries.put(Output.at(result.output), CLASSIFIER, rows)
    (folder / "card.json").write_text(json.dumps({"worst": [person], "accuracy": 0.9}))
    (folder / "classifier.safetensors").write_bytes(b"weights")
    return folder


def test_erasure_leaves_no_trace_of_the_path_or_the_features(run, source, output):
    """The first path of all: the one that statistics of a file would name."""
    person = str(source / "apple/0.png")
    (source / "plum/0.png").write_bytes(b"no picture")
    result = run((source, source / "apple/0.png"), output.root)
    vectors = vectors_of_image(result, person)
    for command in (
        ["optimize", output.root],
        ["export", output.root, "--format", "csv", "--features"],
        ["privacy", output.root],
    ):
        assert CliRunner().invoke(main, command).exit_code == 0
    classifier = add_classifier(result, person)
    (Path(output.root) / "report/index.html").write_text(f"<img alt='{person}'>")
    before = everything_under(output.root)
    assert person.encode() in before
    assert all(vector in before for vector in vectors)
    done = CliRunner().invoke(main, ["erase", output.root, "--path", person])
    assert done.exit_code == 0, done.output
    assert "1 of features" in done.output
    assert "train those again" in done.output
    left = everything_under(output.root)
    assert person.encode() not in left
    assert not any(vector in left for vector in vectors)
    assert not Path(output.root, "report").exists()
    assert {path.name for path in classifier.iterdir()} == {
        "gallery.parquet", "gallery.json", "card.json", "classifier.safetensors",
    }  # fmt: skip
    assert pq.read_table(classifier / "gallery.parquet").num_rows == 38
    card = json.loads((classifier / "card.json").read_text())
    assert (card["worst"], card["accuracy"]) == (["(erased)"], 0.9)
    for table in ("features", "components"):
        files = sorted(Path(output.root, table).glob("*.parquet"))
        assert {f"{table}/{f.name}" for f in files} == {f.path for f in Tables(output)[table].files}
    audit = [
        json.loads(x) for x in Path(output.root, "erasure/audit.jsonl").read_text().split("\n") if x
    ]
    assert audit[0]["rows"]["features"] == audit[0]["rows"]["components"] == 1
    assert audit[0]["classifier_rows"] == 1
    run(source, output.root)
    assert person.encode() not in everything_under(output.root)
    assert Path(output.root, "report").exists()


def test_an_image_that_somebody_gave_is_erased_by_its_code(first, output):
    kept, given = (contributions.add(output, b"jpeg", keep_days=9) for _ in range(2))

    def erase_by(code):
        done = CliRunner().invoke(main, ["erase", output.root, "--contribution", code])
        return done.exit_code, done.output

    rows = Tables(output)["features"].n_rows
    assert erase_by(given.code.lower().replace("-", " ")) == (0, f"erased: {given.code}\n")
    assert contributions.kept(output) == [contributions.name_of(kept.code)]
    assert Tables(output)["features"].n_rows == rows
    code, said = erase_by(given.code)
    assert (code, "keeps no image under the code" in said) == (5, True)
    code, said = erase_by("photo.jpg")
    assert (code, "expected a code such as" in said) == (2, True)


def test_an_accepted_photo_is_read_by_the_next_run_and_leaves_with_what_was_read(
    run, first, source, output
):
    picture, pixels = io.BytesIO(), np.random.default_rng(3).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(picture, "JPEG")
    given = contributions.add(output, picture.getvalue(), keep_days=9)
    reviews.decide(output, contributions.name_of(given.code), "accept", "kiwi")
    (place,) = output.paths("accepted")
    sources = (source, Path(output.root, "accepted"))
    run(sources, output.root)
    rows = Tables(output).read("components", ["path", "label"]).to_pylist()
    assert {"path": output.uri(place), "label": "kiwi"} in rows
    done = CliRunner().invoke(main, ["erase", output.root, "--contribution", given.code])
    assert (done.exit_code, done.output) == (0, f"erased: {given.code}\n")
    name = Path(place).name
    for table in SCHEMAS:
        paths = Tables(output).read(table, ["path"])["path"].to_pylist()
        assert not [path for path in paths if path.endswith(name)]
    assert name.encode() not in everything_under(output.root)
    run(sources, output.root)
    assert len(Tables(output).read("components", ["path"])) == len(rows) - 1


def test_a_report_that_is_missing_or_of_an_older_run_is_drawn_again(run, first, source, output):
    report = Path(output.root, "report")
    files = {path.name for path in report.iterdir()}
    before = pd.read_parquet(f"{output.root}/components")
    for damage in (
        lambda: shutil.rmtree(report),
        lambda: (report / "drawn.json").write_text('{"components_of_run": "an older one"}'),
    ):
        damage()
        again = run(source, output.root).record
        assert again["counts"]["already_there"] == 40
        assert {path.name for path in report.iterdir()} == files
        assert "report" in again["seconds"]
        assert "report" not in run(source, output.root).record["seconds"]
    pd.testing.assert_frame_equal(before, pd.read_parquet(f"{output.root}/components"))


def test_a_pca_kept_after_an_erasure_says_so(run, first, source, output):
    erase(output, [str(source / "plum/3.png")])
    erase(output, [str(source / "plum/4.png"), str(source / "plum/5.png")])
    said = io.StringIO()
    reporter = Reporter(Console(file=said, width=300))
    kept = run(source, output.root, pca="keep", reporter=reporter).record["pca"]
    assert "3 images were erased since the kept PCA was fitted" in said.getvalue()
    assert kept["n_samples"] == 40
    assert run(source, output.root).record["pca"]["n_samples"] == 37


def test_everything_can_be_erased(run, first, source, output):
    erase(output, [], [str(source)])
    assert [Tables(output)[name].n_rows for name in SCHEMAS] == [0] * len(SCHEMAS)
    (source / "apple/0.png").rename(source / "apple/other name.png")
    (source / "apple/1.png").rename(source / "apple/another.png")
    (source / "apple/2.png").rename(source / "apple/third.png")
    assert run(source, output.root, components=1).features().num_rows == 3


def test_an_erased_image_stays_away_and_the_pca_is_fitted_without_it(run, first, source, output):
    before = first.record["pca"]
    erase(output, [str(source / "plum/3.png")], [str(source / "lemon")])
    after = run(source, output.root)
    assert after.record["counts"]["suppressed"] == 11
    assert after.record["pca"]["n_samples"] == 29
    assert after.record["pca"]["pca_id"] != before["pca_id"]
    assert after.features().num_rows == after.components().num_rows == 29
    assert run(source, output.root).record["counts"]["already_there"] == 29


def test_erasing_needs_a_result_and_something_to_erase(first, output, tmp_path):
    none = CliRunner().invoke(main, ["erase", str(tmp_path), "--path", "x"])
    assert none.exit_code == 5
    assert "expected the OUTPUT of a run" in none.output
    nothing = CliRunner().invoke(main, ["erase", output.root])
    assert nothing.exit_code == 2
    assert "--from-file" in nothing.output


def test_paths_to_erase_come_from_a_file_too(first, source, output, tmp_path):
    lost = CliRunner().invoke(main, ["erase", output.root, "--path", "plum/1.png"])
    assert lost.exit_code == 11
    assert f"'plum/1.png': no such path; nearest: {source}/plum/1.png" in lost.stderr
    listed = tmp_path / "paths.txt"
    listed.write_text(f"{source}/plum/1.png\n{source}/plum/2.png\n", encoding="utf-8")
    done = CliRunner().invoke(main, ["erase", output.root, "--from-file", str(listed)])
    assert done.exit_code == 0
    assert Tables(output)["features"].n_rows == 38


def test_vacuum_deletes_what_no_table_names(run, first, output):
    name = f"part-{KILLED}-000000-0123abcd.parquet"
    Path(output.root, "features", name).write_bytes(b"left by a killed driver")
    Path(output.root, f"_staging/{KILLED}/features").mkdir(parents=True)
    Path(output.root, f"_staging/{KILLED}/features/{name}").write_bytes(b"x")
    done = CliRunner().invoke(main, ["vacuum", output.root])
    assert (done.exit_code, done.output) == (0, "2 files deleted\n")
    assert pd.read_parquet(f"{output.root}/features").shape[0] == 40


def test_optimize_merges_small_files_and_changes_no_row(run, source, output, monkeypatch):
    monkeypatch.setattr("orchard.pipeline.planning.MIN_IMAGES", 5)
    before = run(source, output.root)
    rows = {name: getattr(before, name)() for name in ("features", "components")}
    assert len(Tables(output)["features"].files) == 10
    done = CliRunner().invoke(main, ["optimize", output.root])
    assert done.exit_code == 0, done.output
    assert len(Tables(output)["features"].files) == 1
    for name, expected in rows.items():
        assert getattr(before, name)().to_pylist() == expected.to_pylist()
    assert sorted(pd.read_parquet(f"{output.root}/features")["path"]) == sorted(
        rows["features"]["path"].to_pylist()
    )
    again = run(source, output.root).record
    assert again["counts"]["already_there"] == 40, "compaction is no change"
    assert "pca" not in again
    add_pictures(source / "apple", 3)
    kept = run(source, output.root).record["pca"]
    assert kept["pca_id"] == before.record["pca"]["pca_id"], "nor do three images refit"
    refitted = run(source, output.root, pca="refit").record
    assert refitted["moments_read"] == 3, "the merged rows are not read again"
