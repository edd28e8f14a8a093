"""How a result of Orchard is recognised: by its marker.

Results of Orchard 0.1.0 have none; they are recognised by the transaction log of
`features/`, whose commits name the run that made them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from orchard.errors import TableError

MARKER = "_orchard.json"
FORMAT = 1
LOG = "features/_delta_log"
RUN_KEY = "orchard.run_id"
_ENTRY = re.compile(r"\d{20}\.json")
# What 0.1.0 sets when it makes a table: all there is of one that was killed before its first commit
_CREATED = b"dataSkippingNumIndexedCols"


def is_result(read: Callable[[str], bytes | None], log_names: Callable[[], Iterable[str]]) -> bool:
    """Whether a folder is a result of Orchard.

    read: a file's bytes by its path below the folder, None where there is none. log_names: of the
    files directly in LOG.
    """
    marker = read(MARKER)
    if marker is not None and is_marker(marker):
        return True
    entries = sorted(filter(_ENTRY.fullmatch, log_names()))
    found = (read(f"{LOG}/{name}") or b"" for name in reversed(entries))
    return any(RUN_KEY.encode() in entry for entry in found) or _is_created(read, entries)


def is_marker(data: bytes) -> bool:
    """Whether a file named as the marker is one, of whatever format."""
    found = _content(data)
    return isinstance(found.get("format"), int) and isinstance(found.get("result"), str)


def check_format(data: bytes) -> None:
    """Raises TableError for a marker of a newer format."""
    found = _content(data)
    if is_marker(data) and found["format"] > FORMAT:
        raise TableError(
            f"a result of format {found['format']}, made by {found.get('made_by')}; this Orchard "
            f"knows {FORMAT}: install a newer one"
        )


def _content(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def is_result_folder(folder: str) -> bool:
    """`is_result` of a folder on a disk, where nothing is read through a link."""
    root = Path(folder)

    def read(path: str) -> bytes | None:
        file = root / path
        try:
            return None if file.is_symlink() or not file.is_file() else file.read_bytes()
        except OSError:
            return None

    def log_names() -> list[str]:
        log = root / LOG
        if log.is_symlink() or log.parent.is_symlink():
            return []
        try:
            return [entry.name for entry in log.iterdir()]
        except OSError:
            return []

    return is_result(read, log_names)


def _is_created(read: Callable[[str], bytes | None], entries: list[str]) -> bool:
    if len(entries) != 1:
        return False
    entry = read(f"{LOG}/{entries[0]}") or b""
    return _CREATED in entry and b'"add"' not in entry and b"fingerprint" in entry
