"""What a result was computed with: the embedding's card and the fitted PCA models.

    models/embedding/<fingerprint>.json     fields, library versions, features of the probe image
    models/pca/<pca_id>/model.safetensors   mean, scale, components, explained_variance
    models/pca/<pca_id>/card.json           n_samples, n_components, fingerprint
    models/pca/<pca_id>/erased.json         how many images were erased since it was fitted
    models/moments.safetensors              count, mean, scatter, and the files they are of
    explained_variance.csv                  the present PCA's full spectrum

A model is written before any row names it and never changed after.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from orchard.errors import DamagedError
from orchard.reduction import PCA, Moments
from orchard.store import contents
from orchard.store.changes import Rewritten
from orchard.store.damage import damaged, noticing
from orchard.store.output import Output
from orchard.store.tables import Tables

VARIANCE_CSV = "explained_variance.csv"


_PCA_ID = re.compile(r"[0-9a-f]{16}")
_MOMENTS = "models/moments.safetensors"


@dataclass(frozen=True, slots=True)
class StoredMoments:
    """Moments and the feature files they are of: what a refit need not read again.

    survivors: files that hold rows of those files and no others, some rows of which have left.
    """

    moments: Moments
    files: frozenset[str]
    survivors: frozenset[str] = frozenset()

    def following(self, rewritten: Iterable[Rewritten]) -> StoredMoments:
        """The same moments, by the files that their rows are in now."""
        files, survivors = set(self.files), set(self.survivors)
        for file in rewritten:
            if file.old in files and not file.n_lost:
                files.remove(file.old)
                files.add(file.new)
            elif file.old in files | survivors:
                survivors.add(file.new)
        return StoredMoments(self.moments, frozenset(files), frozenset(survivors))


@dataclass(frozen=True, slots=True)
class PCACard:
    """How a PCA came about. requested: `--components` as given; n_components: what it came to."""

    pca_id: str
    requested: int | float
    n_components: int
    n_features: int
    n_samples: int
    standardize: bool
    fingerprint: str
    notice: str | None


def save_pca(
    output: Output,
    pca: PCA,
    *,
    requested: int | float,
    standardize: bool,
    fingerprint: str,
    notice: str | None,
) -> PCACard:
    """Store a model under the hash of its content."""
    data = save(
        {
            "mean": pca.mean,
            "scale": pca.scale,
            "components": pca.components,
            "explained_variance": pca.explained_variance,
        }
    )
    card = PCACard(
        pca_id=_pca_id(data),
        requested=requested,
        n_components=pca.n_components,
        n_features=pca.n_features,
        n_samples=pca.n_samples,
        standardize=standardize,
        fingerprint=fingerprint,
        notice=notice,
    )
    output.put(f"models/pca/{card.pca_id}/model.safetensors", data)
    output.put_json(f"models/pca/{card.pca_id}/card.json", asdict(card))
    return card


def load_pca(output: Output, pca_id: str) -> tuple[PCA, PCACard]:
    """A stored model and its card.

    Raises TableError where it is missing, DamagedError where it is not as it was stored.
    """
    card = load_card(output, pca_id)
    path = f"models/pca/{pca_id}/model.safetensors"
    data = bytes(output.get(path))
    with noticing(output.root, path):
        if _pca_id(data) != pca_id:
            raise ValueError("its sha256 is not the name of its folder")
        return PCA(**load(data), n_samples=card.n_samples), card


def load_card(output: Output, pca_id: str) -> PCACard:
    """The card of a stored model. Raises as `load_pca`."""
    path = f"models/pca/{pca_id}/card.json"
    fields = output.get_json(path)
    with noticing(output.root, path):
        card = PCACard(**fields)
        if card.pca_id != pca_id:
            raise ValueError("it is of another PCA")
        return card


def save_moments(output: Output, stored: StoredMoments) -> None:
    arrays = {"mean": stored.moments.mean, "scatter": stored.moments.scatter}
    text = {
        "n_samples": str(stored.moments.n_samples),
        "files": json.dumps(sorted(stored.files)),
        "survivors": json.dumps(sorted(stored.survivors)),
    }
    output.put(_MOMENTS, save(arrays, text | {"sha256": _content_digest(arrays, text)}))


def follow_moments(output: Output, rewritten: Iterable[Rewritten]) -> None:
    """Note where a commit has put the rows that the moments are of; damaged ones are let go."""
    try:
        stored = load_moments(output)
    except DamagedError:
        forget_moments(output)
        return
    if stored is not None and (now := stored.following(rewritten)) != stored:
        save_moments(output, now)


def load_moments(output: Output) -> StoredMoments | None:
    """The moments of the last fit; None where there are none.

    Raises DamagedError if they are not as they were stored: they can be recomputed.
    """
    if _MOMENTS not in output.paths("models"):
        return None
    data = bytes(output.get(_MOMENTS))
    with noticing(output.root, _MOMENTS):
        arrays, text = load(data), _metadata(data)
        # Moments of versions before this digest are believed.
        if "sha256" in text and text.pop("sha256") != _content_digest(arrays, text):
            raise ValueError("its sha256 differs")
        moments = Moments(int(text["n_samples"]), arrays["mean"], arrays["scatter"])
        files, survivors = (
            frozenset(json.loads(text.get(name, "[]"))) for name in ("files", "survivors")
        )
        return StoredMoments(moments, files, survivors)


def forget_moments(output: Output) -> None:
    """What was erased must not live on in sums: the next fit reads all features again."""
    output.delete([path for path in output.paths("models") if path == _MOMENTS])


def mark_erased(output: Output, n_images: int) -> None:
    """Note that images were erased since the present PCA was fitted, perhaps on them."""
    if card := current_pca(Tables(output)):
        total = n_erased(output, card.pca_id) + n_images
        output.put_json(f"models/pca/{card.pca_id}/erased.json", {"n_images": total})


def n_erased(output: Output, pca_id: str) -> int:
    """How many images were erased since that PCA was fitted."""
    path = f"models/pca/{pca_id}/erased.json"
    known = path in output.paths(f"models/pca/{pca_id}")
    if not known:
        return 0
    stored = output.get_json(path)
    with noticing(output.root, path):
        return int(stored["n_images"])


def save_projected(output: Output, pca_id: str, files: Iterable[str]) -> None:
    """Note whose projections the components table holds; written after its commit."""
    output.put_json(f"models/pca/{pca_id}/projected.json", {"files": sorted(files)})


def load_projected(output: Output, pca_id: str) -> frozenset[str]:
    """The feature files whose projections the components table holds.

    None of them if that is no longer known: all are then projected again.
    """
    path = f"models/pca/{pca_id}/projected.json"
    if path not in output.paths(f"models/pca/{pca_id}"):
        return frozenset()
    try:
        stored = output.get_json(path, (dict, list))
        with noticing(output.root, path):  # a list in results of 0.1.0
            return frozenset(stored["files"] if isinstance(stored, dict) else stored)
    except DamagedError:
        return frozenset()


def _pca_id(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _content_digest(arrays: Mapping[str, NDArray[np.float64]], text: dict[str, str]) -> str:
    """Over what a safetensors file says, whose own order of fields is left open."""
    digest = hashlib.sha256(json.dumps(text, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def _metadata(data: bytes) -> dict[str, str]:
    """The text fields of a safetensors file: its header is JSON behind 8 bytes of length."""
    length = int.from_bytes(data[:8], "little")
    found: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    return found


def current_pca(tables: Tables) -> PCACard | None:
    """The card of the PCA that the components table was made with; None without rows."""
    stored = [file for file in tables["components"].files if file.n_rows]
    if not stored:
        return None
    rows = contents.read_file(tables.output, stored[0].path, ["pca_id"])
    pca_id = rows["pca_id"][0].as_py()
    if not isinstance(pca_id, str) or not _PCA_ID.fullmatch(pca_id):
        raise damaged(tables.output.root, stored[0].path, f"it names {pca_id!r} as its PCA")
    return load_card(tables.output, pca_id)


def write_variance(output: Output, pca: PCA) -> None:
    output.put(VARIANCE_CSV, variance_csv(pca))


def variance_csv(pca: PCA) -> bytes:
    """`explained_variance.csv`: component (from 1), variance, ratio, cumulative ratio."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["component", "variance", "ratio", "cumulative_ratio"])
    ratio = pca.explained_variance_ratio
    rows = zip(pca.explained_variance, ratio, np.cumsum(ratio), strict=True)
    for number, row in enumerate(rows, start=1):
        writer.writerow([number, *(repr(float(value)) for value in row)])
    return text.getvalue().encode()


def save_embedding(output: Output, fingerprint: str, card: dict[str, Any]) -> None:
    output.put_json(f"models/embedding/{fingerprint}.json", card)


def load_embedding(output: Output, fingerprint: str) -> dict[str, Any]:
    """The card as it was stored. Raises TableError, and DamagedError where it is another."""
    path = f"models/embedding/{fingerprint}.json"
    card: dict[str, Any] = output.get_json(path)
    with noticing(output.root, path):
        if card["fingerprint"] != fingerprint:
            raise ValueError("it is of another fingerprint")
        dict(card["fields"]), dict(card["versions"]), np.float32(card["probe_features"])
    return card
