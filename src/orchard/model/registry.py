"""The networks Orchard knows by name, as data, and the way from `--weights` to a Model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from orchard.config import MAX_SIZE, MIN_SIZE
from orchard.errors import ConfigError, WeightsError
from orchard.model import builtin, mobilenet_v2
from orchard.model.foreign import load_onnx
from orchard.model.keras_file import read_keras
from orchard.model.named import named
from orchard.model.onnx_model import INT8, InputSpec, Model, Precision
from orchard.model.ranges import KNOWN, Ranges, known_ranges
from orchard.model.several import ranges_of, side_by_side
from orchard.model.weights import cached_weights, recorded_sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A network by name. source: the address of its weights, None where they are built in.

    sizes: pixels per side that it admits. licence: SPDX identifier, of the weights.
    """

    name: str
    summary: str
    licence: str
    notes: str
    source: str | None = None
    file_name: str | None = None
    dim: int = mobilenet_v2.DIM
    default_size: int = 224
    sizes: range = range(MIN_SIZE, MAX_SIZE + 1)


_KERAS_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"

CARDS = {
    card.name: card
    for card in (
        Card(
            name="imagenet",
            summary="MobileNetV2, width 1.0, trained on ImageNet by Keras's authors",
            licence="Apache-2.0",
            # keras/src/applications/mobilenet_v2.py, BASE_WEIGHT_PATH
            source=f"https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/{_KERAS_FILE}",
            file_name=_KERAS_FILE,
            notes="9 MB, downloaded once and kept in the cache",
        ),
        Card(
            name=builtin.NAME,
            summary="MobileNetV2, width 1.0, trained on photos of fruit by Orchard",
            licence="Apache-2.0",
            notes="in the package; `orchard models fruit` shows its figures and its limits",
            default_size=96,
        ),
    )
}


def load_model(
    weights: str,
    size: int | None = None,
    precision: Precision = "float32",
    views: tuple[str, ...] = ("plain",),
    ranges: Ranges | None = None,
) -> Model:
    """The network that `weights` names, for images of size × size pixels.

    weights: a name in `CARDS`; a path to MobileNetV2's weights as Keras saves them (`.h5`); a path
    to any network from one image to one vector (`.onnx`, see `orchard.model.preprocessing`); or
    several of these with commas between them, see `orchard.model.several`. size: default the
    network's own, as of several always. ranges: of its activations, for int8; default those that
    are known of the networks by name. Raises WeightsError, and ConfigError on a size it does not
    admit or where int8 has no ranges.
    """
    model = _named(weights, size)
    if precision in INT8:
        model = model.in_int8(ranges or _known(weights), precision)
    elif precision != "float32":
        model = model.at(precision)
    return model if model.views == views else model.with_views(views)


def _named(weights: str, size: int | None) -> Model:
    names = named(weights)
    if len(names) == 1:
        return _load(names[0], size)
    if size is not None:
        raise ConfigError(
            f"--size {size}: {' and '.join(names)} each see the image at their own size; leave "
            "--size out"
        )
    return side_by_side([_load(name, None) for name in names])


def _known(weights: str) -> Ranges:
    if (found := ranges_of(weights)) is not None:
        return found
    return known_ranges(next(name for name in named(weights) if name not in KNOWN))


def _load(weights: str, size: int | None) -> Model:
    if card := CARDS.get(weights):
        return _from_card(card, size)
    path = Path(weights).expanduser()
    suffix = path.suffix.lower()
    if suffix not in (".h5", ".hdf5", ".onnx"):
        raise WeightsError(
            f"--weights {weights}: expected {', '.join(CARDS)}, or a path to a .h5 or .onnx file"
        )
    if not path.is_file():
        raise WeightsError(f"--weights {weights}: there is no such file")
    if suffix == ".onnx":
        return load_onnx(path, size)
    side = _admitted(size or 224)
    values, sha256 = read_keras(path)
    return _described(mobilenet_v2.build(values, side), _name_of(path, sha256), sha256, side)


def _name_of(path: Path, sha256: str) -> str:
    """The name of the network whose weights these are, whatever the file is called; else the file's
    own, not a link's."""
    for card in CARDS.values():
        if card.file_name and recorded_sha256(card.file_name) == sha256:
            return card.name
    return path.resolve().stem


def _from_card(card: Card, size: int | None) -> Model:
    side = _admitted(size or card.default_size)
    if card.source and card.file_name:
        weights, sha256 = cached_weights(card.source, card.file_name)
        graph = mobilenet_v2.build(weights, side)
    else:
        folded, sha256 = builtin.builtin_weights()
        graph = mobilenet_v2.assemble(folded, side)
    return _described(graph, card.name, sha256, side)


def _admitted(size: int) -> int:
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ConfigError(
            f"--size {size}: expected a whole number of pixels from {MIN_SIZE} to {MAX_SIZE}"
        )
    return size


def _described(graph: onnx.ModelProto, name: str, sha256: str, size: int) -> Model:
    return Model.describe(
        graph,
        name=name,
        weights_sha256=sha256,
        size=size,
        dim=mobilenet_v2.DIM,
        input=InputSpec("NHWC", "uint8", mobilenet_v2.NORMALISATION),
    )
