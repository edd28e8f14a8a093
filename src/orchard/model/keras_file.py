"""Keras's HDF5 weights of MobileNetV2, read with distrust.

Layout: the root's attribute `layer_names`, in topological order; for each a group whose attribute
`weight_names` lists its datasets. As in Keras's `load_weights`, layers are identified by
their place in that order: older files use other names (`mobl0_conv_0_expand`).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from safetensors.numpy import load, save

from orchard.errors import WeightsError
from orchard.model import apart
from orchard.model.mobilenet_v2 import Weights, weight_shapes

LIMITS = apart.Limits(seconds=120, cpu_seconds=20, memory=apart.GIB)
MAX_BYTES = 64 << 20  # the official file has 9.4 million
MAX_NAMES = 1000  # layers in a file; Keras's MobileNetV2 has 155


def read_keras(path: Path, known: str | None = None) -> tuple[Weights, str]:
    """All weights that `weight_shapes` names, float32, and the file's sha256.

    Names, shapes and types are checked against the table of contents before a value is read. This
    happens in a process of its own: some damaged files crash libhdf5 or keep it busy for ever.
    known: the sha256 of a file that was read before, which is read here. Raises WeightsError where
    the file is missing or anything is not as expected.
    """
    content = _read(path)
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        weights = parse(content) if sha256 == known else _parse_apart(content)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    return weights, sha256


def _read(path: Path) -> bytes:
    """The file, of at most MAX_BYTES. Raises WeightsError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise WeightsError(f"{path}: cannot read the weights: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise WeightsError(
            f"{path}: more than {MAX_BYTES:,} bytes, expected MobileNetV2's weights of width 1.0 "
            "without the classifier, about 9.4 million"
        )
    return content


def answer(_: str, content: bytes) -> bytes:
    """The weights in the file's bytes, as safetensors: what the process apart does."""
    return bytes(save(dict(parse(content))))


def _parse_apart(content: bytes) -> Weights:
    found = load(apart.ask(__name__, "", content, LIMITS))
    return {name: found[name] for name in weight_shapes()}  # safetensors has an order of its own


def parse(content: bytes) -> Weights:
    """The same from the bytes of a file."""
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            whole_model = "model_weights" in file  # what keras.Model.save writes
            root = _descend(file, "model_weights") if whole_model else file
            datasets = _match(list(_datasets(root)))
            weights = {name: np.asarray(dataset[()]) for name, dataset in datasets.items()}
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise WeightsError(
            f"not a file of Keras weights in HDF5 ({error}); expected what "
            "keras.Model.save_weights writes"
        ) from None
    for name, value in weights.items():
        if not np.isfinite(value).all():
            raise WeightsError(f"{name} holds NaN or infinite values; fetch the file again")
        if name.endswith("variance") and (value < 0).any():
            raise WeightsError(f"{name} holds negative values; fetch the file again")
    return weights


def _datasets(root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """(layer/weight, dataset) in the order of the file."""
    for layer in _names(root, "layer_names"):
        group = _descend(root, layer)
        for weight in _names(group, "weight_names"):
            yield f"{layer}/{_role(weight)}", _descend(group, weight)


def _names(group: h5py.Group, attribute: str) -> list[str]:
    if attribute not in group.attrs:
        raise WeightsError(f"{group.name} has no attribute {attribute}; expected Keras's layout")
    if np.prod(group.attrs.get_id(attribute).shape) > MAX_NAMES:
        raise WeightsError(f"{group.name} lists more than {MAX_NAMES} in {attribute}")
    return [n.decode() if isinstance(n, bytes) else str(n) for n in group.attrs[attribute]]


def _role(weight: str) -> str:
    """`Conv1/kernel:0`, `Conv1/kernel` → kernel; `depthwise_kernel:0` → kernel."""
    role = weight.rsplit("/", 1)[-1].split(":")[0]
    return "kernel" if role == "depthwise_kernel" else role


def _descend(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
    """`group[path]` over hard links alone: soft and external ones lead elsewhere."""
    for part in path.split("/"):
        if not isinstance(group, h5py.Group) or part not in group:
            raise WeightsError(f"{group.name} holds no {part!r}")
        if type(group.get(part, getlink=True)) is not h5py.HardLink:
            raise WeightsError(f"{group.name}/{part} is a link to elsewhere; expected the data")
        group = group[part]
    return group


def _match(found: list[tuple[str, h5py.Dataset]]) -> dict[str, h5py.Dataset]:
    """Expected name → dataset, by place; within a layer by role."""
    expected = weight_shapes()
    if len(found) != len(expected):
        extra = found[len(expected)][0] if len(found) > len(expected) else "too few"
        raise WeightsError(
            f"{len(found)} weights ({extra}), expected the {len(expected)} of MobileNetV2, width "
            "1.0, without its classifier"
        )
    matched = {}
    for name, (found_name, dataset) in zip(expected, _in_role_order(found), strict=True):
        if found_name != name and (found_name in expected or _role(found_name) != _role(name)):
            raise WeightsError(f"{found_name} stands where MobileNetV2 has {name}")
        _check(found_name, dataset, expected[name])
        matched[name] = dataset
    return matched


def _in_role_order(found: list[tuple[str, h5py.Dataset]]) -> list[tuple[str, h5py.Dataset]]:
    """Layers as they come, a layer's weights in the order that `weight_shapes` has them."""
    roles = ("kernel", "gamma", "beta", "moving_mean", "moving_variance")
    layers = list(dict.fromkeys(name.rsplit("/", 1)[0] for name, _ in found))

    def place(item: tuple[str, h5py.Dataset]) -> tuple[int, int]:
        layer, role = item[0].rsplit("/", 1)
        if role not in roles:
            raise WeightsError(f"a weight named {item[0]}, expected one of {', '.join(roles)}")
        return layers.index(layer), roles.index(role)

    return sorted(found, key=place)


def _check(name: str, dataset: h5py.Dataset, shape: tuple[int, ...]) -> None:
    if not isinstance(dataset, h5py.Dataset) or dataset.shape != shape:
        raise WeightsError(
            f"{name} has the shape {getattr(dataset, 'shape', None)}, expected {shape}: not "
            "MobileNetV2 of width 1.0"
        )
    if dataset.dtype != np.float32:
        raise WeightsError(f"{name} is {dataset.dtype}, expected float32")
    if dataset.external or dataset.is_virtual or not _bounded(dataset):
        raise WeightsError(f"{name} is not stored as plain data")


def _bounded(dataset: h5py.Dataset) -> bool:
    """A compressed chunk unpacks whole, however little of it lies in the dataset."""
    return dataset.chunks is None or int(np.prod(dataset.chunks)) <= dataset.size
