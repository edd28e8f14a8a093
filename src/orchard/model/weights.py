"""The cache of downloaded weights: where a file lies, how it gets there, whether it is whole."""

from __future__ import annotations

import json
import os
import secrets
import urllib.request
from contextlib import suppress
from datetime import datetime, timezone
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError

from orchard.errors import WeightsError
from orchard.model.keras_file import MAX_BYTES, read_keras
from orchard.model.mobilenet_v2 import Weights

TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 16


def cache_dir() -> Path:
    """$ORCHARD_CACHE, else $XDG_CACHE_HOME/orchard, else ~/.cache/orchard."""
    if own := os.environ.get("ORCHARD_CACHE"):
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "orchard"


def cached_weights(url: str, file_name: str) -> tuple[Weights, str]:
    """The weights kept as `file_name`, fetched from `url` where they are not there yet.

    Returns the weights and the file's sha256, which is also recorded beside it: a later change of
    the file is an error, not another result. A file that the user put there is verified the same.
    Where the cache can be neither read nor made, as in another user's HOME, nothing is kept: the
    file is fetched for this once. Raises WeightsError.
    """
    path = _place(file_name)
    if path is None:
        return _fetched_for_once(url, file_name)
    if not path.exists():
        fetch(url, path)
    recorded = _recorded(path)
    try:
        weights, sha256 = read_keras(path, known=recorded)
    except WeightsError as error:
        raise WeightsError(f"{error}; delete it to have it fetched from {url}") from None
    if recorded is None:
        with suppress(OSError):  # a cache that cannot be written serves all the same
            _write_record(path, sha256, "found in the cache")
    elif recorded != sha256:
        raise WeightsError(
            f"{path}: sha256 {sha256}, expected {recorded} as recorded in "
            f"{_record_path(path).name}; delete both files to fetch them again, or the record "
            "alone to accept the file"
        )
    return weights, sha256


def recorded_sha256(file_name: str) -> str | None:
    """Of the file that the cache keeps under this name; None where it keeps none."""
    try:
        return _recorded(cache_dir() / file_name)
    except (OSError, RuntimeError):  # RuntimeError: this user has no HOME
        return None


def _place(file_name: str) -> Path | None:
    """Where the file is kept; None where the cache is out of reach."""
    try:
        path = cache_dir() / file_name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(path.parent, os.W_OK | os.X_OK):
                return None
    except (OSError, RuntimeError):  # RuntimeError: this user has no HOME
        return None
    return path


def _fetched_for_once(url: str, file_name: str) -> tuple[Weights, str]:
    with TemporaryDirectory(prefix="orchard-weights-") as folder:
        path = Path(folder) / file_name
        fetch(url, path, "a folder of yours that ORCHARD_CACHE names")
        return read_keras(path)


def fetch(url: str, path: Path, place: str | None = None) -> None:
    """Download Keras weights from `url` to `path`: all of them and verified, or nothing.

    Proxies are taken from the environment. Raises WeightsError, with `place`, by default `path`, as
    the place where a file fetched by other means is looked for.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(url, part)
        _, sha256 = read_keras(part)
        _write_record(path, sha256, url)
        part.replace(path)
    except (OSError, HTTPException, ValueError, WeightsError) as error:
        reason = str(error).replace(str(part), "the file received") or type(error).__name__
        raise WeightsError(
            f"cannot download {url} ({' '.join(reason.split())}); with a copy of that file from "
            f"elsewhere, put it at {place or path}, or use the one in the package: --weights fruit"
        ) from None
    finally:
        with suppress(OSError):  # there is none where its folder could not be made
            part.unlink()


def _download(url: str, part: Path) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "orchard"})
    opener = urllib.request.build_opener()  # urlopen would keep the proxies of its first call
    try:
        response = opener.open(request, timeout=TIMEOUT)
    except HTTPError as error:
        error.close()  # it holds the connection
        raise WeightsError(f"HTTP {error.code} {error.reason}") from None
    with response, part.open("xb") as file:
        announced = response.headers.get("Content-Length")
        received = 0
        while chunk := response.read(CHUNK):
            received += len(chunk)
            if received > MAX_BYTES:
                raise WeightsError(f"more than {MAX_BYTES:,} bytes")
            file.write(chunk)
        if announced is not None and received != int(announced):
            raise WeightsError(f"cut off after {received:,} of {int(announced):,} bytes")


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _write_record(path: Path, sha256: str, source: str) -> None:
    record = {
        "sha256": sha256,
        "source": source,
        "recorded": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.json.part")
    try:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        part.replace(_record_path(path))
    finally:
        part.unlink(missing_ok=True)


def _recorded(path: Path) -> str | None:
    """The file's sha256 as it was when it was first seen and read; None where it never was."""
    try:
        return str(json.loads(_record_path(path).read_text(encoding="utf-8"))["sha256"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "unreadable"
