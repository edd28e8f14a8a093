"""Answers as a column of a DataFrame: what `orchard predict` prints, for images Spark has read.

    images = spark.read.format("binaryFile").load("photos")
    predict_column(images, "result").select("path", "prediction.answer", "prediction.species")

Each worker process loads the classifier from OUTPUT once, so OUTPUT must be where workers see it.
Rows go through an RDD: `mapInArrow` would ask for pandas, which Orchard does not need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from orchard.classify.answers import row
from orchard.classify.files import current_id
from orchard.classify.predictor import BATCH_SIZE, Prediction, Predictor
from orchard.errors import ConfigError
from orchard.records import Failure, Reason
from orchard.spark.jobs import is_connect
from orchard.store.output import Output

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

_GUESSES = "array<struct<label:string,probability:double>>"
PREDICTION = (
    f"struct<answer:string,species:{_GUESSES},varieties:{_GUESSES},"
    "nearest:array<struct<path:string,label:string,distance:double>>,"
    "error:struct<reason:string,detail:string>>"
)
_FIELDS = ("answer", "species", "varieties", "nearest", "error")


def predict_column(
    frame: DataFrame,
    output: str,
    *,
    content: str = "content",
    column: str = "prediction",
    top: int = 5,
    classifier_id: str | None = None,
) -> DataFrame:
    """`frame` with a column of answers about the images in the binary column `content`.

    The column is a struct: answer, species, varieties, nearest, as in `orchard predict`, or error
    with the reason why an image could not be read; answer is then null. The classifier is the one
    that is current now, not when Spark gets to work. column: replaced where it is there. Raises
    ConfigError where there is no such column, ClassifierError where there is no classifier.
    """
    from pyspark.sql.types import StructType, _parse_datatype_string

    if is_connect(frame.sparkSession):
        raise ConfigError(
            "predict_column: its rows go through an RDD, which Spark Connect does not have; use "
            "ImageEmbedder there, or `orchard predict`"
        )
    if content not in frame.columns:
        raise ConfigError(f"no column {content!r} among {', '.join(frame.columns)}")
    place = Output.at(output)
    chosen = classifier_id or current_id(place)
    kept = [field for field in frame.schema.fields if field.name != column]
    work = partial(
        _predicted,
        root=place.root,
        chosen=chosen,
        content=content,
        kept=[field.name for field in kept],
        top=top,
    )
    schema = StructType(kept).add(column, _parse_datatype_string(PREDICTION))
    return frame.sparkSession.createDataFrame(frame.rdd.mapPartitions(work), schema)


def _predicted(
    rows: Iterable[Row], *, root: str, chosen: str, content: str, kept: list[str], top: int
) -> Iterator[tuple[Any, ...]]:
    predictor = _predictor(root, chosen)
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH_SIZE)):
        answers = _answers(predictor, [found[content] for found in batch], top)
        for found, answer in zip(batch, answers, strict=True):
            yield (*(found[name] for name in kept), answer)


def _answers(
    predictor: Predictor, images: list[bytearray | None], top: int
) -> list[tuple[Any, ...]]:
    found = iter(predictor.predict([bytes(image) for image in images if image is not None], top))
    missing = Prediction("not_sure", failure=Failure(Reason.EMPTY, "null"))
    rows = [row("", missing if image is None else next(found)) for image in images]
    return [tuple(answer.get(name) for name in _FIELDS) for answer in rows]


@lru_cache(maxsize=2)
def _predictor(root: str, chosen: str) -> Predictor:
    """One a worker process, kept while the worker lives."""
    return Predictor.load(root, chosen)
