"""The names that Orchard makes below OUTPUT: all that it lists, replaces and deletes there.

A file of any other name is somebody else's, wherever below OUTPUT it lies.
"""

from __future__ import annotations

import re

from orchard.storage.results import MARKER

TABLES = ("features", "errors", "components", "gone", "thumbnails")
FOLDERS = (
    *TABLES, "models", "runs", "report", "export", "erasure", "privacy", "contributions",
    "accepted", "findings", "listings", "_staging",
)  # fmt: skip
VARIANCE_CSV, LOCK, VERSIONS = "explained_variance.csv", "_lock", "_versions.json"

_RUN = r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{6}"
_TABLE = f"(?:{'|'.join(TABLES)})"
_DATA = rf"part-{_RUN}-[a-z0-9]+-(?:[0-9a-f]{{8}}){{1,2}}\.parquet"
_CHECKPOINT = r"\d{20}\.checkpoint(?:\.\d{10}\.\d{10}|\.[0-9a-f-]{36})?\.(?:parquet|json)"
_LOG = rf"_delta_log/(?:\d{{20}}\.(?:json|crc)|{_CHECKPOINT}|_last_checkpoint)"
_ID = r"[0-9a-f]{16}"
_SEALED = r"[0-9a-f]{32}"
_CODE = r"[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}"
_VECTORS = r"(?:components|features)\.(?:csv|npy|parquet)"

EXPORTED = rf"(?:{_VECTORS}|paths\.csv|errors\.csv|explained_variance\.csv)"
# Names that nobody else gives a file: they hold the id of a run, or a hash.
_UNMISTAKABLE = (
    rf"_staging/{_RUN}/{_TABLE}/{_DATA}",
    rf"{_TABLE}/{_DATA}",
    rf"models/embedding/{_ID}\.json",
)
_MADE = (
    *_UNMISTAKABLE,
    rf"{MARKER}|{LOCK}|{VERSIONS}|{VARIANCE_CSV}",
    rf"{_TABLE}/{_LOG}",
    rf"models/pca/{_ID}/(?:model\.safetensors|(?:card|erased|projected)\.json)",
    rf"listings/{_ID}\.arrow",
    r"models/moments\.safetensors|models/classifier/current\.json",
    rf"models/classifier/{_ID}/(?:classifier\.safetensors|network\.onnx|README\.md"
    r"|(?:card|gallery|metrics)\.json|(?:gallery|confusion)\.parquet)",
    rf"runs/{_RUN}\.json",
    r"report/(?:index\.html|classifier\.html|explained_variance\.png|drawn\.json)",
    rf"export/{EXPORTED}|findings/findings\.parquet",
    r"erasure/(?:suppressed\.json|audit\.jsonl)|privacy/processing_record\.json",
    rf"contributions/(?:(?:{_SEALED}|{_CODE})\.(?:jpg|json)|{_SEALED}\.part)",
    rf"accepted/[^/]+/(?:{_ID}-{_SEALED}\.jpg|{_SEALED}\.part)",
)
_MADE_FOLDERS = (
    "|".join(FOLDERS),
    rf"_staging/{_RUN}(?:/{_TABLE})?",
    rf"models/(?:embedding|(?:pca|classifier)(?:/{_ID})?)",
    r"accepted/[^/]+",
)


def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


_made, _unmistakable = _compiled(_MADE), _compiled(_UNMISTAKABLE)
_made_folders = _compiled(_MADE_FOLDERS)
_run_of = re.compile(rf"(?:.*/)?part-({_RUN})-[^/]*")


def is_made(path: str) -> bool:
    """Whether Orchard gives a file this path below a result."""
    return _made.fullmatch(path) is not None


def is_made_folder(path: str) -> bool:
    return _made_folders.fullmatch(path) is not None


def is_unmistakable(path: str) -> bool:
    """Whether a path is Orchard's even in a folder that is not known to be a result."""
    return _unmistakable.fullmatch(path) is not None


def is_taken(path: str) -> bool:
    """Whether a path lies where a result's own files go."""
    top = path.split("/")[0]
    return top in (*FOLDERS, VARIANCE_CSV, LOCK, VERSIONS, MARKER)


def run_of(path: str) -> str | None:
    """The id of the run that wrote a table's file; None for a file of another name."""
    found = _run_of.fullmatch(path)
    return found[1] if found else None
