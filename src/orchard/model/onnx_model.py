"""A network ready to run: one ONNX file in memory that carries its own description.

`Model.onnx` is all of it. Everything else is read back from the file's metadata, so a model
travels as plain bytes (Spark broadcast, a file, a cache) and nothing of ours is pickled.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from onnx import ModelProto, helper, load_from_string

from orchard.errors import WeightsError
from orchard.model.quantised import quantise
from orchard.model.ranges import Ranges

METADATA_KEY = "orchard.model"
Layout = Literal["NHWC", "NCHW"]
Precision = Literal["float32", "bfloat16", "int8", "int8-openvino"]
INT8: tuple[Precision, ...] = ("int8", "int8-openvino")
MAX_BYTES = 1 << 30  # half of what protobuf can serialise


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What the graph's one input takes.

    layout: order of its axes. dtype: "uint8" takes pixels as they are; for "float32" the embedder
    computes x * scale + offset from pixels x in 0..255. scale, offset: one value, or one for each
    of red, green, blue. batch: images per call where the graph fixes it, None where it is free.
    normalisation: the same in words, wherever it happens.
    """

    layout: Layout
    dtype: Literal["uint8", "float32"]
    normalisation: str
    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """One of the networks in a graph. tensor: the input that is its own, "" where there is one
    alone. size, dim, input: as of `Model`."""

    tensor: str
    size: int
    dim: int
    input: InputSpec


@dataclass(frozen=True, slots=True)
class Model:
    """A network from size × size RGB pixels to `dim` features.

    weights_sha256: of the file that the weights came from; of names and values where they were
    generated. notice: what must be said wherever results are shown, or None. precision: of the
    arithmetic; the weights in `onnx` are float32 but for those of INT8. views: of
    `orchard.images.views`, what the network is shown of an image; an image's features are their
    mean. ranges: of the activations of an int8 graph, as `Ranges.text`; else empty.

    several: the networks of a graph that holds more than one, see `orchard.model.several`; size is
    then the largest of theirs, dim the sum, input what they have in common: batch, and words.
    """

    name: str
    onnx: bytes
    weights_sha256: str
    size: int
    dim: int
    input: InputSpec
    notice: str | None = None
    precision: Precision = "float32"
    views: tuple[str, ...] = ("plain",)
    ranges: str = ""
    several: tuple[Branch, ...] = ()

    @property
    def normalisation(self) -> str:
        return self.input.normalisation

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The networks in it: one or more."""
        return self.several or (Branch("", self.size, self.dim, self.input),)

    @property
    def shown(self) -> tuple[str, ...]:
        """What is decoded of an image: each view at each size, for `orchard.images.decode`."""
        return tuple(
            dict.fromkeys(name for branch in self.branches for name in self.shown_to(branch))
        )

    def shown_to(self, branch: Branch) -> tuple[str, ...]:
        """Those of `shown` that are for one of its networks."""
        own = "" if branch.size == self.size else f":{branch.size}"
        return tuple(f"{view}{own}" for view in self.views)

    @property
    def sizes(self) -> int | str:
        """As a fingerprint states it: 224, or "224, 96" of two networks."""
        return ", ".join(str(one.size) for one in self.several) or self.size

    @classmethod
    def describe(
        cls,
        graph: ModelProto,
        *,
        name: str,
        weights_sha256: str,
        size: int,
        dim: int,
        input: InputSpec,
        notice: str | None = None,
        several: tuple[Branch, ...] = (),
    ) -> Model:
        """Write the description into `graph`'s metadata and serialise it.

        Raises WeightsError where the graph is larger than a gigabyte.
        """
        draft = cls(name, b"", weights_sha256, size, dim, input, notice, several=several)
        fields = asdict(draft)
        del fields["onnx"]
        if not several:  # a graph of one network keeps the bytes that it had before there were more
            del fields["several"]
        kept = {entry.key: entry.value for entry in graph.metadata_props}
        helper.set_model_props(graph, kept | {METADATA_KEY: json.dumps(fields)})
        if graph.ByteSize() > MAX_BYTES:
            raise WeightsError(
                f"{name}: {graph.ByteSize():,} bytes of weights, expected at most {MAX_BYTES:,}; "
                "use a smaller network"
            )
        return replace(draft, onnx=graph.SerializeToString())

    def at(self, precision: Precision) -> Model:
        """The same network, computed at another precision."""
        return replace(self, onnx=self._described(precision=precision), precision=precision)

    def in_int8(self, ranges: Ranges, precision: Precision = "int8") -> Model:
        """The float32 network in integers; see `orchard.model.quantised`. Raises ConfigError."""
        graph = quantise(load_from_string(self.onnx), ranges)
        text = ranges.text()
        draft = replace(self, onnx=graph.SerializeToString(), ranges=text, precision=precision)
        return replace(draft, onnx=draft._described(ranges=text, precision=precision))

    def with_views(self, views: tuple[str, ...]) -> Model:
        """The same network, shown other views."""
        return replace(self, onnx=self._described(views=views), views=views)

    def _described(self, **fields: Any) -> bytes:
        graph = load_from_string(self.onnx)
        entry = next(e for e in graph.metadata_props if e.key == METADATA_KEY)
        entry.value = json.dumps(json.loads(entry.value) | fields)
        return bytes(graph.SerializeToString())

    @classmethod
    def from_onnx(cls, data: bytes) -> Model:
        """The model whose `.onnx` these bytes are. Raises WeightsError where they are not."""
        try:
            graph = load_from_string(data)
            text = next(e.value for e in graph.metadata_props if e.key == METADATA_KEY)
            fields = json.loads(text)
            fields["input"] = _spec(fields["input"])
            fields["views"] = tuple(fields.get("views", ("plain",)))
            fields["several"] = tuple(
                Branch(**one | {"input": _spec(one["input"])}) for one in fields.get("several", ())
            )
            return cls(onnx=data, **fields)
        except Exception as error:  # protobuf's DecodeError is of no stable type
            raise WeightsError(
                f"{len(data):,} bytes that are not an Orchard model ({error or 'no metadata'}); "
                "make one with load_model"
            ) from None


def _spec(fields: dict[str, Any]) -> InputSpec:
    return InputSpec(**fields | {key: tuple(fields[key]) for key in ("scale", "offset")})
