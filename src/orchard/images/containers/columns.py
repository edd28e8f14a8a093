"""Which columns of a table hold images, their names and their labels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from orchard.errors import ConfigError
from orchard.images.containers.files import Unreadable
from orchard.records import Failure, Reason

_IMAGES = ("image", "img", "picture", "photo", "jpg", "png", "bytes", "content", "data")
_PATHS = ("path", "file_name", "filename", "file", "name", "key", "__key__", "id", "image_id")
_LABELS = ("label", "labels", "class", "cls")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns say what; image and path as pyarrow selects them. labels: of class numbers."""

    image: str
    path: str | None
    label: str | None
    labels: tuple[str, ...] = ()


def columns_of(schema: pa.Schema, label: str | None, where: str) -> Columns:
    """label: of `--label column:NAME`. where: the table's path. Raises Unreadable where no column
    holds images, ConfigError where the label's is not there."""
    if label is not None and label not in schema.names:
        raise ConfigError(
            f"--label column:{label}: {where} has no such column; it has {', '.join(schema.names)}"
        )
    features = _features(schema)
    image = _image(schema, features)
    path = _first(schema, _PATHS, pa.types.is_string, pa.types.is_large_string)
    if "." in image:
        parent = schema.field(image.rpartition(".")[0])
        path = f"{parent.name}.path" if parent.type.get_field_index("path") >= 0 else path
    chosen = label or next((name for name in _LABELS if name in schema.names), None)
    said = features.get(chosen or "", {})
    said = said if isinstance(said, dict) else {}
    return Columns(image, path, chosen, tuple(map(str, said.get("names") or ())))


def _image(schema: pa.Schema, features: dict[str, Any]) -> str:
    found = {}
    for field in schema:
        if _is_binary(field.type):
            found[field.name] = field.name
        elif pa.types.is_struct(field.type):
            inner = field.type.get_field_index("bytes")
            if inner >= 0 and _is_binary(field.type.field(inner).type):
                found[field.name] = f"{field.name}.bytes"
    said = [n for n in found if _of_type(features.get(n), "Image")]
    known = said or [name for name in _IMAGES if name in found] or list(found)
    if not known:
        raise Unreadable(
            Failure(
                Reason.NOT_AN_IMAGE,
                f"a table without a column of images; its columns: {', '.join(schema.names)}; to "
                "read the images that it names, give it as --manifest",
            )
        )
    return found[known[0]]


def _of_type(feature: Any, kind: str) -> bool:
    return isinstance(feature, dict) and feature.get("_type") == kind


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _features(schema: pa.Schema) -> dict[str, Any]:
    """What Hugging Face's `datasets` says of the columns."""
    try:
        said = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        found = said["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _first(schema: pa.Schema, wanted: tuple[str, ...], *kinds: Any) -> str | None:
    known = (name for name in wanted if name in schema.names)
    return next((n for n in known if any(is_a(schema.field(n).type) for is_a in kinds)), None)
