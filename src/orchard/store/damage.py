"""Files that are not as they were stored: noticed when read, and reported with the way out.

Disks and copies flip bits and truncate files. Every file that a later command trusts carries a
checksum: Parquet files in their pages and names (see `parquet`), JSON files in a field, models and
classifiers in the names of their folders and in cards. Files of versions without checksums are
read as they are, and only what cannot be parsed is noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from safetensors import SafetensorError

from orchard.errors import DamagedError

CHECKSUM = "checksum"  # of a JSON object, over its other fields

_COPY = "restore it from a copy"
_WAYS_OUT = (
    ("runs/", f"{_COPY}, or delete it: only the record of that run goes with it"),
    ("models/classifier/", f"{_COPY}, or train again: orchard train {{root}}"),
    ("models/pca/", f"{_COPY}, or `orchard run SOURCE {{root}} --pca refit` fits another"),
    ("components/_delta_log", f"{_COPY}, or give another OUTPUT"),
    ("components", f"{_COPY}, or `orchard run SOURCE {{root}} --pca refit` recreates it"),
    ("findings/", "`orchard findings {root}` makes it again"),
    ("erasure/", f"{_COPY}: it says which images must stay out"),
    ("_staging/", "`orchard vacuum {root}` deletes it"),
    ("", f"{_COPY}, or `orchard run SOURCE {{root}} --replace` recomputes all of it"),
)


def damaged(root: str, path: str, why: str) -> DamagedError:
    """The error of a damaged file. path: relative to OUTPUT, `root`."""
    way_out = next(text for start, text in _WAYS_OUT if path.startswith(start))
    reason = " ".join(why.split())[:200]
    return DamagedError(
        f"{root}/{path} is not as it was stored ({reason}); {way_out.format(root=root)}"
    )


@contextmanager
def noticing(root: str, path: str) -> Iterator[None]:
    """Whatever in a file's content the block cannot handle is damage. Raises DamagedError."""
    try:
        yield
    except KeyError as error:
        raise damaged(root, path, f"it holds no {error}") from error
    except OSError as error:  # PyArrow's own carry no number, those of the system do
        if error.errno is not None:
            raise
        raise damaged(root, path, str(error)) from error
    except (
        pa.ArrowException,
        SafetensorError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise damaged(root, path, str(error)) from error


def to_json(content: Any) -> str:
    """As text to be stored; an object gets its checksum."""
    if isinstance(content, dict):
        content = content | {CHECKSUM: _checksum(content)}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def from_json(data: bytes) -> Any:
    """What `to_json` was given. Raises ValueError where it is not that, or no JSON."""
    content = json.loads(data)
    if isinstance(content, dict) and CHECKSUM in content:
        stored = content.pop(CHECKSUM)
        if stored != _checksum(content):
            raise ValueError("its checksum differs")
    return content


def _checksum(content: dict[str, Any]) -> str:
    """Over the values, not their layout: an editor may reformat them."""
    rest = {name: value for name, value in content.items() if name != CHECKSUM}
    # Through JSON first: keys become strings, and only then have one order.
    text = json.dumps(json.loads(json.dumps(rest)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
