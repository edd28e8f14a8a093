"""All files of the page by name: for `orchard app` to write, for `orchard serve` to serve.

`files.json` names them with their hashes, and `sw.js` holds the same list: a browser that has been
here keeps one whole version and replaces it with another whole one, never a file at a time.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

from orchard.classify.files import Classifier
from orchard.knowledge import LANGUAGES
from orchard.web import ondevice
from orchard.web.headers import PAGE_POLICY
from orchard.web.privacy_texts import PRIVACY, Keeps, privacy_texts
from orchard.web.static_files import static_files

LIST, WORKER, INDEX = "files.json", "sw.js", "index.html"
LICENSES = "LICENSES.txt"
_UNLISTED = (WORKER, LICENSES)  # a worker is not fetched through itself
_MANIFEST = re.compile(r"^const MANIFEST = .*;$", re.M)


@dataclass(frozen=True, slots=True)
class Site:
    """files: contents by name. n_bytes: of a first visit, packed. by_part: of these, by name."""

    files: Mapping[str, bytes]
    version: str
    by_part: Mapping[str, int]

    @property
    def n_bytes(self) -> int:
        return sum(self.by_part.values())


def site(classifier: Classifier, keeps: Keeps | None = None) -> Site:
    """The page of a classifier. keeps: what its server does with photos; None without a server."""
    shell = pages(keeps) | {
        "runtime.js": ondevice.VENDOR.joinpath("runtime.js").read_bytes(),
        "classifier.json": ondevice.about(classifier),
    }
    parts = ondevice.parts(classifier)
    listed = {name: _sha256(shell[name]) for name in sorted(shell) if name not in _UNLISTED}
    manifest: dict[str, Any] = {
        "shell": listed,
        "parts": {
            name: {"file": part.file(name), "bytes": len(part.content), "sha256": part.sha256}
            for name, part in parts.items()
        },
    }
    version = _sha256(json.dumps(manifest, sort_keys=True).encode())[:16]
    manifest = {"version": version} | manifest
    content = shell | {part.file(name): part.content for name, part in parts.items()}
    content[LIST] = json.dumps(manifest).encode()
    content[WORKER] = _MANIFEST.sub(
        lambda _: f"const MANIFEST = {json.dumps(manifest)};", shell[WORKER].decode()
    ).encode()
    content[LICENSES] = ondevice.VENDOR.joinpath(LICENSES).read_bytes()
    return Site(content, version, _first_visit(shell, parts))


def pages(keeps: Keeps | None) -> dict[str, bytes]:
    """The files that are the same for every classifier, filled in."""
    there = dict(static_files())
    settings = {
        "keep_days": str(keeps.days if keeps else 0),
        "contributions": "on" if keeps and keeps.contributions else "off",
        "server": "on" if keeps else "off",
        # A server says it in a header, which a folder of files has nobody to send.
        "policy": "" if keeps else _meta(PAGE_POLICY),
    }
    there[INDEX] = Template(there[INDEX].decode()).substitute(settings).encode()
    for language in LANGUAGES:
        name = PRIVACY.format(language=language)
        texts = privacy_texts(language, keeps) | {"policy": settings["policy"]}
        there[name] = Template(there[name].decode()).substitute(texts).encode()
    return there


def _meta(policy: str) -> str:
    return f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'


def _first_visit(shell: Mapping[str, bytes], parts: Mapping[str, ondevice.Part]) -> dict[str, int]:
    page = sum(len(gzip.compress(content, 6)) for content in shell.values())
    found = {"page": page} | {name: len(part.content) for name, part in parts.items()}
    del found[f"cards.{LANGUAGES[1]}"]  # one language is fetched
    return found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
