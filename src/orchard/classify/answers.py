"""Pictures by name, answers as plain JSON rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, BinaryIO

from orchard.classify.predictor import BATCH_SIZE, Prediction, Predictor
from orchard.errors import SourceError
from orchard.images.decode import DEFAULT_MAX_PIXELS
from orchard.images.source import DEFAULT_MAX_BYTES, Listing, fetch, list_images
from orchard.records import Failure, Reason
from orchard.storage import Storage

STDIN = "-"
_UNLIKE = "Looks like {}, though unlike those I know"
_EITHER = "Either {} or {}"


def answer(
    predictor: Predictor,
    sources: Sequence[str],
    top: int,
    storage: Storage,
    stdin: BinaryIO,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Iterator[dict[str, Any]]:
    """A row for each image that the sources name, in the order of their paths.

    "-" is one image on `stdin`, and comes first. Then a row for each source that is not there.
    Raises SourceError where there is nothing to read at all.
    """
    for batch in _batched(_contents(sources, storage, stdin)):
        images = [data for _, data in batch if isinstance(data, bytes)]
        predictions = iter(predictor.predict(images, top, max_pixels=max_pixels))
        for path, data in batch:
            unread = Prediction("not_sure", failure=data) if isinstance(data, Failure) else None
            yield row(path, unread or next(predictions))


def answer_together(
    predictor: Predictor,
    sources: Sequence[str],
    top: int,
    storage: Storage,
    stdin: BinaryIO,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Iterator[dict[str, Any]]:
    """One row for each folder, whose images show one fruit: the rows of `answer` in all else.

    A row's `path` is the folder; `photos` are the images in it that were read, `unread` the rows of
    those that were not, if there are any. Where none was read each has a row of its own.
    """
    contents = _contents(sources, storage, stdin)
    for folder, photos in groupby(contents, key=lambda one: one[0].rpartition("/")[0]):
        paths: list[str] = []
        unread: list[dict[str, Any]] = []
        found, failures = predictor.predict_together(
            _readable(photos, paths, unread), top, max_pixels=max_pixels
        )
        told = list(zip(paths, failures, strict=True))
        unread += [row(path, Prediction("not_sure", failure=bad)) for path, bad in told if bad]
        read = [path for path, bad in told if not bad]
        if not read:
            yield from unread
            continue
        whole = row(folder if read != [STDIN] else STDIN, found)
        yield whole | {"photos": read} | ({"unread": unread} if unread else {})


def _readable(
    photos: Iterable[tuple[str, bytes | Failure]], paths: list[str], unread: list[dict[str, Any]]
) -> Iterator[bytes]:
    """The contents of those that could be fetched; their paths, and rows of the others."""
    for path, data in photos:
        if isinstance(data, Failure):
            unread.append(row(path, Prediction("not_sure", failure=data)))
        else:
            paths.append(path)
            yield data


def row(path: str, prediction: Prediction) -> dict[str, Any]:
    """A prediction as JSON data: probabilities to 6 digits, seconds to the microsecond."""
    if prediction.failure is not None:
        reason = prediction.failure.reason.value
        return {"path": path, "error": {"reason": reason, "detail": prediction.failure.detail}}
    note = _note(prediction)
    return {
        "path": path,
        "answer": prediction.answer,
        **({"note": note} if note else {}),
        "species": [_guess(guess) for guess in prediction.species],
        "varieties": [_guess(guess) for guess in prediction.varieties],
        "nearest": [
            {"path": known.path, "label": known.label, "distance": round(known.distance, 6)}
            for known in prediction.nearest
        ],
        "seconds": {name: round(value, 6) for name, value in prediction.seconds.items()},
    }


def _note(prediction: Prediction) -> str | None:
    named = [f"{'an' if s.label[0] in 'aeiou' else 'a'} {s.label}" for s in prediction.species[:2]]
    if prediction.answer == "unlike":
        return _UNLIKE.format(named[0])
    # With --top 1 the other one is not told.
    if prediction.answer == "either" and len(named) == 2:
        return _EITHER.format(*named)
    return None


def _guess(guess: Any) -> dict[str, Any]:
    return {"label": guess.label, "probability": round(guess.probability, 6)}


def _listed(
    sources: tuple[str, ...], storage: Storage, has_others: bool
) -> tuple[Listing | None, list[tuple[str, Failure]]]:
    """The images that the sources name, and the sources that are not there.

    Raises SourceError where none is, and there are no other images.
    """
    try:
        return list_images(sources, storage=storage), []
    except SourceError as error:
        if len(sources) == 1 and not has_others:
            raise
        first = error
    missing = {source: failure for source in sources if (failure := _missing(source, storage))}
    there = tuple(source for source in sources if source not in missing)
    if not there and not has_others:
        raise first
    return list_images(there, storage=storage) if there else None, sorted(missing.items())


def _missing(source: str, storage: Storage) -> Failure | None:
    try:
        list_images((source,), storage=storage)
    except SourceError as error:
        return Failure(Reason.VANISHED, str(error))
    return None


def _contents(
    sources: Sequence[str], storage: Storage, stdin: BinaryIO
) -> Iterator[tuple[str, bytes | Failure]]:
    named = tuple(dict.fromkeys(source for source in sources if source != STDIN))
    from_stdin = STDIN in sources
    listing, missing = _listed(named, storage, from_stdin) if named else (None, [])
    if from_stdin:
        yield STDIN, _read(stdin)
    yield from missing
    if listing is not None:
        yield from listing.failures
        paths = listing.images["path"].to_pylist()
        yield from zip(paths, fetch(listing.placed, storage), strict=True)


def _read(stdin: BinaryIO) -> bytes | Failure:
    data = stdin.read(DEFAULT_MAX_BYTES + 1)
    if len(data) > DEFAULT_MAX_BYTES:
        return Failure(Reason.TOO_MANY_BYTES, f"more than {DEFAULT_MAX_BYTES} bytes")
    return data


def _batched(
    contents: Iterable[tuple[str, bytes | Failure]],
) -> Iterator[list[tuple[str, bytes | Failure]]]:
    remaining = iter(contents)
    while batch := list(islice(remaining, BATCH_SIZE)):
        yield batch
