"""From bytes to an answer: as trained, without Spark, and not at all where a file was changed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from orchard.classify.answers import row
from orchard.classify.files import load_classifier
from orchard.classify.predictor import Guess, Prediction, Predictor
from orchard.errors import ClassifierError
from orchard.records import Reason, vectors_of
from orchard.store.erase import erase
from orchard.store.output import Output
from orchard.store.tables import Tables
from orchard.training import Trained
from orchard.training.publish import PAGE

LIGHT = """
import sys
from orchard.classify.predictor import Predictor
predictor = Predictor.load(sys.argv[1])
print(predictor.predict([open(sys.argv[2], "rb").read()])[0].species[0].label)
heavy = ("pyspark", "py4j", "sklearn", "scipy", "deltalake", "boto3", "matplotlib", "h5py")
print(*(name for name in heavy if name in sys.modules))
"""


def paths_of(output: Path) -> list[str]:
    return [
        str(p) for p in Tables(Output.at(output)).read("features", ["path"])["path"].to_pylist()
    ]


def folder_of(output: Path, trained: Trained) -> Path:
    return output / "models/classifier" / trained.classifier_id


def test_images_come_back_as_the_species_they_are(rendered_result: Path, trained: Trained) -> None:
    paths = paths_of(rendered_result)[::5]
    found = Predictor.load(rendered_result).predict([Path(path).read_bytes() for path in paths])
    right = [
        p.varieties[0].label == Path(path).parent.name for p, path in zip(found, paths, strict=True)
    ]
    assert np.mean(right) > 0.9  # these were trained on
    for prediction in found:
        chances = [guess.probability for guess in prediction.species]
        assert chances == sorted(chances, reverse=True)
        assert 0 < sum(chances) <= 1 + 1e-9
        assert set(prediction.seconds) == {"decode", "network", "answer"}


def test_an_image_that_was_trained_on_is_its_own_nearest(
    rendered_result: Path, trained: Trained
) -> None:
    path = paths_of(rendered_result)[7]
    (found,) = Predictor.load(rendered_result).predict([Path(path).read_bytes()], top=3)
    assert found.nearest[0].path == path
    assert found.nearest[0].distance < 1e-3
    assert len(found.nearest) == len(found.species) == 3


def test_the_predictor_computes_what_the_batch_stored(
    rendered_result: Path, trained: Trained
) -> None:
    rows = (
        Tables(Output.at(rendered_result)).read("components", ["path", "components"]).slice(0, 20)
    )
    classifier = load_classifier(Output.at(rendered_result))
    stored = classifier.space.from_components(vectors_of(rows["components"]))
    features = vectors_of(
        Tables(Output.at(rendered_result)).read("features", ["features"])["features"]
    )
    direct = classifier.space.from_features(features[:20])
    np.testing.assert_allclose(direct, stored, atol=1e-3 * np.abs(stored).max())
    assert classifier.network.views == ("plain", "zoom")


def test_a_batch_answers_as_its_images_alone(rendered_result: Path, trained: Trained) -> None:
    images = [Path(path).read_bytes() for path in paths_of(rendered_result)[:9]]
    predictor = Predictor.load(rendered_result)
    together = predictor.predict([*images, b"", b"no picture"])
    for image, found in zip(images, together[:9], strict=True):
        (alone,) = predictor.predict([image])
        assert alone.answer == found.answer
        assert alone.species[0].label == found.species[0].label
        assert alone.species[0].probability == pytest.approx(found.species[0].probability, abs=1e-4)
    failures = [found.failure.reason for found in together[-2:]]
    assert failures == [Reason.EMPTY, Reason.NOT_AN_IMAGE]
    assert together[-1].species == ()


def test_answering_needs_no_spark_and_no_scikit_learn(
    rendered_result: Path, trained: Trained
) -> None:
    arguments = [sys.executable, "-c", LIGHT, str(rendered_result), paths_of(rendered_result)[0]]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == ""


def test_thresholds_make_the_answer(rendered_result: Path, trained: Trained) -> None:
    predictor = Predictor.load(rendered_result)
    sure = trained.card.sure
    guess, unlikely = Guess("pear", sure - 1e-6), Guess("fig", 0.0)
    assert predictor._verdict([Guess("apple", sure)], 2.0) == "sure"
    assert predictor._verdict([guess], 2.0) == "not_sure"
    assert predictor._verdict([guess, unlikely], 2.0) == "not_sure"
    assert predictor._verdict([guess, Guess("fig", 1e-5)], 2.0) == "either"
    assert predictor._verdict([Guess("apple", sure)], -1.0) == "not_a_fruit"


def test_a_note_names_both_where_either_is_the_answer() -> None:
    species = (Guess("McIntosh", 0.5), Guess("apple", 0.4))
    assert row("a", Prediction("either", species))["note"] == "Either a McIntosh or an apple"
    assert "note" not in row("a", Prediction("either", species[:1]))
    assert "note" not in row("a", Prediction("sure", species))


def test_several_photos_of_one_fruit_give_one_answer(
    rendered_result: Path, trained: Trained
) -> None:
    predictor = Predictor.load(rendered_result)
    paths = [path for path in paths_of(rendered_result) if "/Banana/" in path][:3]
    photos = [Path(path).read_bytes() for path in paths]
    one, failures = predictor.predict_together([*photos, b"text"])
    assert one.varieties[0].label == "Banana"
    assert len(one.nearest) == len(one.species) == 5
    (same,) = predictor.predict(photos[:1])
    again, _ = predictor.predict_together(photos[:1])
    assert again.species[0].probability == pytest.approx(same.species[0].probability)
    assert [failure.reason if failure else None for failure in failures] == [
        *(None, None, None), Reason.NOT_AN_IMAGE,
    ]  # fmt: skip
    nothing, _ = predictor.predict_together([b"text"])
    assert nothing.failure is not None


@pytest.mark.parametrize("name", ["classifier.safetensors", "network.onnx", "gallery.parquet"])
def test_a_file_that_was_changed_is_refused(
    trained_copy: Path, trained: Trained, name: str
) -> None:
    file = folder_of(trained_copy, trained) / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(ClassifierError, match=rf"{name} is not as it was stored"):
        Predictor.load(trained_copy)


@pytest.mark.parametrize("field", ["sure", "familiar", "fruit", "temperature", "classes"])
def test_a_card_that_was_changed_is_refused(
    trained_copy: Path, trained: Trained, field: str
) -> None:
    file = folder_of(trained_copy, trained) / "card.json"
    card = json.loads(file.read_text())
    card[field] = card[field][::-1] if field == "classes" else card[field] / 2
    file.write_text(json.dumps(card))
    with pytest.raises(ClassifierError, match=r"card\.json is not as it was stored"):
        Predictor.load(trained_copy)


@pytest.mark.parametrize("text", ["[]", "{}", "no json", '{"classes": 1}'])
def test_a_card_that_is_none_is_refused(trained_copy: Path, trained: Trained, text: str) -> None:
    (folder_of(trained_copy, trained) / "card.json").write_text(text)
    with pytest.raises(ClassifierError, match=r"card\.json is (no card|not as it was stored)"):
        Predictor.load(trained_copy)


def test_a_file_that_is_gone_is_named(trained_copy: Path, trained: Trained) -> None:
    (folder_of(trained_copy, trained) / "network.onnx").unlink()
    with pytest.raises(ClassifierError, match=r"network\.onnx: no such file"):
        Predictor.load(trained_copy)


def test_a_result_without_a_classifier_says_how_to_train_one(photos: Path) -> None:
    with pytest.raises(ClassifierError, match=r"holds no classifier; train one: orchard train"):
        Predictor.load(photos)


def test_an_id_that_is_not_there_is_told_with_those_that_are(
    trained_copy: Path, trained: Trained
) -> None:
    with pytest.raises(
        ClassifierError, match=rf"no classifier beef; there is: {trained.classifier_id}"
    ):
        Predictor.load(trained_copy, "beef")


def test_a_classifier_outlives_the_result_it_was_trained_on(
    trained_copy: Path, trained: Trained
) -> None:
    image = Path(paths_of(trained_copy)[0]).read_bytes()
    before = Predictor.load(trained_copy).predict([image])[0].species
    for folder in ("features", "components", "models/pca", "models/embedding"):
        for file in (trained_copy / folder).rglob("*"):
            if file.is_file():
                file.unlink()
    assert Predictor.load(trained_copy).predict([image])[0].species == before


def test_an_erased_image_is_no_longer_shown(trained_copy: Path, trained: Trained) -> None:
    path = paths_of(trained_copy)[7]
    assert (trained_copy / PAGE).exists()
    done = erase(Output.at(trained_copy), [path])
    assert done.classifier_rows == 1
    (found,) = Predictor.load(trained_copy).predict([Path(path).read_bytes()], top=200)
    assert path not in {known.path for known in found.nearest}
    assert not (trained_copy / PAGE).exists()
    shown = pq.read_table(folder_of(trained_copy, trained) / "gallery.parquet")["path"].to_pylist()
    assert path not in shown


def test_what_is_stored_is_no_pickle(rendered_result: Path, trained: Trained) -> None:
    names = {file.name for file in folder_of(rendered_result, trained).iterdir()}
    assert names == {
        *("README.md", "card.json", "classifier.safetensors", "confusion.parquet"),
        *("gallery.json", "gallery.parquet", "metrics.json", "network.onnx"),
    }
