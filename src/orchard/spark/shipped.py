"""Orchard's own code as a zip file, for workers that have its libraries and not Orchard itself."""

from __future__ import annotations

import hashlib
import zipfile
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from orchard.model.weights import cache_dir

_UNUSED = ("__pycache__", "aws", "cli", "samples", "vendor", "web")  # by no worker
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can hold


@cache
def archive() -> Path:
    """From the cache or made now; its name tells its content. Python imports from it as it is."""
    with as_file(files("orchard")) as package:
        entries = [
            (f"orchard/{path.relative_to(package).as_posix()}", path.read_bytes())
            for path in sorted(package.rglob("*"))
            if path.is_file() and not set(_UNUSED) & set(path.relative_to(package).parts)
        ]
    digest = hashlib.sha256()
    for name, content in entries:
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    target = cache_dir() / "packages" / f"orchard-code-{digest.hexdigest()[:16]}.zip"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(entries, target)
    return target


def _write(entries: list[tuple[str, bytes]], target: Path) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        part = Path(scratch) / target.name
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as found:
            for name, content in entries:
                found.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
        part.replace(target)
