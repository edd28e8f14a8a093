"""What makes features comparable: the fields of an embedding, their hash, and a probe image.

The fingerprint names the weights and every choice that changes pixels. Library versions are left
out of it: an upgrade that changes nothing must not throw a table away. Instead the features of one
built-in image are stored with a table and computed again before anything is added to it.
"""

from __future__ import annotations

import hashlib
import json
import platform
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchard.errors import TableError
from orchard.images.decode import Pixels, decode
from orchard.images.reading import Reading
from orchard.model import Embedder, Model, Ranges, load_model

PROBE_TOLERANCE = 1e-3  # absolute, of features in [0, 6]; other CPUs differ by some 1e-5
# Between two CPUs an int8 graph's integers are the same but where a sum lies between two of them.
# Kernels that saturate, or another runtime, move the probe by ten times as much (ADR 38).
INT8_TOLERANCE = 0.02
_LIBRARIES = (
    "numpy",
    "onnxruntime",
    "pi-heif",
    "pillow",
    "simplejpeg",
    "pyarrow",
    "deltalake",
    "obstore",
    "pyspark",
)


@dataclass(frozen=True, slots=True)
class EmbeddingIdentity:
    """fingerprint: 16 hexadecimal digits over `fields`; probe: (dim,) features of the probe;
    ranges: those an int8 network was made from."""

    fingerprint: str
    fields: dict[str, str | int]
    probe: NDArray[np.float32]
    versions: dict[str, str]
    ranges: Ranges | None = None

    @classmethod
    def of(cls, model: Model, reading: Reading | None = None) -> EmbeddingIdentity:
        """Identify a model and how images are read; runs it once, on the probe image."""
        fields: dict[str, str | int] = {
            "weights_sha256": model.weights_sha256,
            "size": model.sizes,
            "dim": model.dim,
            "normalisation": model.normalisation,
            "precision": model.precision,
            "pixels": (reading or Reading()).policy,
        }
        ranges = Ranges.parse(model.ranges) if model.ranges else None
        if ranges is not None:
            fields["ranges"] = ranges.digest
        if model.views != ("plain",):  # what was made before there were views keeps its fingerprint
            fields["views"] = ", ".join(model.views)
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return cls(digest, fields, _probe_features(model), library_versions(), ranges)

    def card(self) -> dict[str, Any]:
        card = {
            "fingerprint": self.fingerprint,
            "fields": self.fields,
            "versions": self.versions,
            "probe_features": [float(value) for value in self.probe],
        }
        return card | ({"ranges": self.ranges.fields()} if self.ranges is not None else {})

    def check(self, stored: dict[str, Any], output: str) -> None:
        """Raise TableError where a table begun under the card `stored` cannot take our rows."""
        differing = [
            f"{name} was {stored['fields'].get(name)!r} and is {self.fields.get(name)!r}"
            for name in {**stored["fields"], **self.fields}
            if stored["fields"].get(name) != self.fields.get(name)
        ]
        if differing:
            raise TableError(
                f"{output} holds features of another kind: {'; '.join(differing)}. Give another "
                "OUTPUT, or --replace to recompute this one"
            )
        moved = float(np.abs(self.probe - np.float32(stored["probe_features"])).max())
        allowed = PROBE_TOLERANCE if self.ranges is None else INT8_TOLERANCE
        if moved > allowed:
            changed = [
                f"{name} {stored['versions'].get(name)} → {now}"
                for name, now in self.versions.items()
                if stored["versions"].get(name) != now
            ]
            raise TableError(
                f"{output}: the features of the probe image moved by {moved:.2g} (at most "
                f"{allowed:g}) since the table was begun; changed since: "
                f"{', '.join(changed) or 'nothing that is recorded'}. Go back to those versions, "
                "give another OUTPUT, or --replace to recompute this one"
            )


def network_of(card: dict[str, Any], weights: str) -> tuple[Model, Reading]:
    """The network as a stored embedding's card describes it; how images are read for it.

    weights: where it is loaded from, as `load_model` has it; `EmbeddingIdentity.check` says whether
    they are the same.
    """
    fields = card["fields"]
    views = tuple(fields.get("views", "plain").split(", "))
    size = None if "," in str(fields["size"]) else int(fields["size"])  # several have their own
    model = load_model(weights, size, fields["precision"], views, ranges_of(card))
    return model, Reading.under(str(fields["pixels"]))


def ranges_of(card: dict[str, Any]) -> Ranges | None:
    """The ranges of a stored embedding in int8; None of another. Raises WeightsError."""
    return Ranges.parse(json.dumps(card["ranges"])) if "ranges" in card else None


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that take part in the numbers."""
    libraries = {name: _version(name) for name in _LIBRARIES}
    with suppress(PackageNotFoundError):
        libraries["openvino"] = version("openvino")
    return {"python": platform.python_version(), "machine": platform.machine(), **libraries}


def _probe_features(model: Model) -> NDArray[np.float32]:
    data = (files("orchard.model") / "probe.jpg").read_bytes()
    pixels = decode(data, model.size, views=model.shown)
    assert isinstance(pixels, Pixels), "the probe image is intact"
    return Embedder(model).mean(pixels.views[None])[0]


def _version(library: str) -> str:
    """As installed; of a cluster's own Spark, which nobody installed by pip, as it says itself."""
    try:
        return version(library)
    except PackageNotFoundError:
        return str(getattr(import_module(library), "__version__", "unknown"))
