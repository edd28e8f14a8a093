"""MLlib trains the heads that the local trainer does, and answers are a column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchard.classify.files import load_classifier
from orchard.classify.predictor import Predictor
from orchard.classify.space import Space
from orchard.errors import ClassifierError, ConfigError
from orchard.spark.mllib import SparkTrainer, spark_trainer
from orchard.spark.predict_column import predict_column
from orchard.store import contents, models
from orchard.store.output import Output
from orchard.store.tables import Tables
from orchard.training import train
from orchard.training.samples import LocalTrainer
from orchard.training.settings import TrainConfig


@pytest.fixture(scope="module")
def result(spark: Any, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import orchard

    output = tmp_path_factory.mktemp("mllib") / "out"
    config = orchard.RunConfig(
        sources=(str(photos),), output=str(output), weights="fruit", size=32, components=6
    )
    orchard.run(config)
    return output


@pytest.fixture(scope="module")
def trainers(result: Path) -> tuple[SparkTrainer, LocalTrainer, np.ndarray]:
    """One on Spark, one here, of the same 40 images but four; and the classes."""
    output = Output.at(result)
    card = models.current_pca(Tables(output))
    assert card is not None
    space = Space.of(models.load_pca(output, card.pca_id)[0])
    files = [file.path for file in Tables(output)["components"].files]
    labelled = np.arange(40) % 10 != 3
    with spark_trainer("local[2]", output, files, labelled, space) as trainer:
        x = trainer.inputs(np.arange(36))
    names = [contents.read_file(output, path, ["label"])["label"].to_pylist() for path in files]
    y = np.unique(np.concatenate(names), return_inverse=True)[1][labelled]
    return trainer, LocalTrainer(x), y


@pytest.mark.parametrize(
    ("kind", "setting"),
    [("logistic", 0.1), pytest.param("forest", 16.0, marks=pytest.mark.mllib)],
)
def test_mllib_and_scikit_learn_agree(trainers: Any, kind: str, setting: float) -> None:
    spark, local, y = trainers
    rows = np.arange(36) % 4 != 0
    heads = [trainer.fit(kind, setting, rows, y, 4, 0) for trainer in (spark, local)]
    found, expected = (head.logits(local.x) for head in heads)
    if kind == "logistic":
        found, expected = (z - z.mean(axis=1, keepdims=True) for z in (found, expected))
        np.testing.assert_allclose(found, expected, atol=0.05)  # where each L-BFGS stops
    trained = expected[rows].argmax(axis=1) == y[rows]
    assert (found[rows].argmax(axis=1) == y[rows]).mean() >= trained.mean() - 0.1


@pytest.mark.mllib
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # OneVsRest's pool
def test_mllibs_svms_separate_what_ours_do(trainers: Any) -> None:
    spark, local, y = trainers
    rows = y < 3  # one class missing
    head = spark.fit("svm", 1.0, rows, y, 4, 0)
    assert not (head.logits(local.x).argmax(axis=1) == 3).any()
    assert (head.logits(local.x)[rows].argmax(axis=1) == y[rows]).mean() > 0.6


def test_one_class_is_refused_before_spark_is_asked(trainers: Any) -> None:
    spark, _, y = trainers
    with pytest.raises(ClassifierError, match="1 class to train on"):
        spark.fit("logistic", 0.1, y == 0, y, 4, 0)


@pytest.mark.mllib
def test_a_training_on_spark_answers_without_it(result: Path) -> None:
    done = train(TrainConfig(output=str(result), kind="logistic", folds=2, engine="spark"))
    assert done.card.training["engine"] == "Spark MLlib"
    path = Tables(Output.at(result)).read("features", ["path"])["path"][0].as_py()
    assert load_classifier(Output.at(result)).card == done.card
    (found,) = Predictor.load(result).predict([Path(path).read_bytes()])
    assert found.failure is None


def test_answers_are_a_column(spark: Any, result: Path, photos: Path, tmp_path: Path) -> None:
    train(TrainConfig(output=str(result), kind="logistic", folds=2))
    for picture in (photos / "apple").iterdir():
        (tmp_path / picture.name).write_bytes(picture.read_bytes())
    (tmp_path / "bad.png").write_bytes(b"no picture")
    images = spark.read.format("binaryFile").load(str(tmp_path)).repartition(2)
    found = predict_column(images, str(result), top=2).select("path", "prediction").collect()
    predictor = Predictor.load(result)
    assert len(found) == 11
    for path, answer in found:
        (direct,) = predictor.predict([Path(path.removeprefix("file:")).read_bytes()], top=2)
        if direct.failure is not None:
            assert (answer.answer, answer.error.reason) == (None, "not_an_image")
            continue
        assert answer.answer == direct.answer
        assert [g.label for g in answer.species] == [g.label for g in direct.species]
        assert answer.species[0].probability == pytest.approx(
            direct.species[0].probability, abs=1e-4
        )


def test_a_frame_without_images_is_refused(spark: Any, result: Path) -> None:
    with pytest.raises(ConfigError, match="no column 'content' among id"):
        predict_column(spark.range(3), str(result))
