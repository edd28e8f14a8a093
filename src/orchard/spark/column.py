"""Answers as a column of a DataFrame: what `orchard predict` prints, for images that Spark has read.

    images = spark.read.format("binaryFile").load("photos")
    predict_column(images, "result").select("path", "prediction.answer", "prediction.species")

Each worker process loads the classifier from OUTPUT once, so OUTPUT must be where workers see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from orchard.classify.answers import row
from orchard.classify.files import current_id
from orchard.classify.predictor import BATCH_SIZE, Prediction, Predictor
from orchard.errors import ConfigError
from orchard.records import Failure, Reason
from orchard.store.output import Output

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

_GUESS = pa.struct([("label", pa.string()), ("probability", pa.float64())])
_KNOWN = pa.struct([("path", pa.string()), ("label", pa.string()), ("distance", pa.float64())])
PREDICTION = pa.struct(
    [
        ("answer", pa.string()),
        ("species", pa.list_(_GUESS)),
        ("varieties", pa.list_(_GUESS)),
        ("nearest", pa.list_(_KNOWN)),
        ("error", pa.struct([("reason", pa.string()), ("detail", pa.string())])),
    ]
)


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
    that is current now, not when Spark gets to work. Raises ConfigError where there is no such
    column, ClassifierError where there is no classifier.
    """
    if content not in frame.columns:
        raise ConfigError(f"no column {content!r} among {', '.join(frame.columns)}")
    place = Output.at(output)
    chosen = classifier_id or current_id(place)
    work = partial(_predicted, root=place.root, chosen=chosen, content=content, top=top)
    return frame.mapInArrow(work, _with_column(frame, column))


def _with_column(frame: DataFrame, column: str) -> StructType:
    from pyspark.sql.pandas.types import from_arrow_type
    from pyspark.sql.types import StructField, StructType

    fields = [field for field in frame.schema.fields if field.name != column]
    return StructType([*fields, StructField(column, from_arrow_type(PREDICTION))])


def _predicted(
    batches: Iterable[pa.RecordBatch], *, root: str, chosen: str, content: str, top: int
) -> Iterator[pa.RecordBatch]:
    predictor = _predictor(root, chosen)
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_SIZE):
            part = batch.slice(start, BATCH_SIZE)
            answers = _answers(predictor, part[content].to_pylist(), top)
            columns = [*part.columns, pa.array(answers, PREDICTION)]
            yield pa.RecordBatch.from_arrays(columns, [*part.schema.names, "prediction"])


def _answers(predictor: Predictor, images: list[bytes | None], top: int) -> list[dict[str, Any]]:
    found = iter(predictor.predict([image for image in images if image is not None], top))
    missing = Prediction("not_sure", failure=Failure(Reason.EMPTY, "null"))
    return [row("", missing if image is None else next(found)) for image in images]


@lru_cache(maxsize=2)
def _predictor(root: str, chosen: str) -> Predictor:
    """One a worker process, kept while the worker lives."""
    return Predictor.load(root, chosen)
