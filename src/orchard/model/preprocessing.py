"""How pixels become the input of a network that others made: settings which its graph cannot state.

They are looked for in the sidecar `<file>.json`, else in the ONNX file's metadata under `orchard.`
+ the same keys, each value written as JSON:

    size            pixels per side, where the graph leaves it free
    scale, offset   input = x * scale + offset, pixels x in 0..255; a number, or one for each colour
    mean, std       instead: input = (x / 255 - mean) / std, as torchvision states it
    layout          "NHWC" or "NCHW", where the graph does not tell
    output          the tensor that is the features: one of several outputs, or one inside the graph
    name, notice    what to call it, and what to say wherever results are shown
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchard.errors import WeightsError
from orchard.model.onnx_model import METADATA_KEY

PREFIX = "orchard."
KEYS = {"size", "scale", "offset", "mean", "std", "layout", "output", "name", "notice"}
MAX_BYTES = 1 << 16
MAX_TEXT = 1000
MAX_SIZE = 1 << 13  # what is too large for one call is refused with the network

Settings = Mapping[str, Any]
PerColour = tuple[float, ...]


def settings_for(path: Path, metadata: Mapping[str, str]) -> Settings:
    """The settings stated for the ONNX file at `path`; empty where none are.

    Raises WeightsError where they are no JSON object of the keys above, or of other types.
    """
    sidecar = path.with_name(f"{path.name}.json")
    place = sidecar.name if sidecar.exists() else "metadata"
    try:
        stated = _read(sidecar) if sidecar.exists() else _from_metadata(metadata)
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{place}: not JSON: {error}") from None
    if not isinstance(stated, dict) or not set(stated) <= KEYS:
        raise WeightsError(
            f"{place}: {json.dumps(stated)[:200]}: expected an object with keys among "
            f"{', '.join(sorted(KEYS))}"
        )
    _check(stated, place)
    return stated


def normalisation(settings: Settings) -> tuple[PerColour, PerColour, str] | None:
    """(scale, offset, the formula in words); None where the settings state none."""
    if "mean" in settings:
        mean, std = _per_colour(settings["mean"]), _per_colour(settings["std"])
        width = max(len(mean), len(std))
        mean, std = mean * (width // len(mean)), std * (width // len(std))
        scale = tuple(1 / (255 * s) for s in std)
        offset = tuple(-m / s for m, s in zip(mean, std, strict=True))
        return scale, offset, f"(x / 255 - {_text(mean)}) / {_text(std)}"
    if "scale" in settings:
        scale, offset = _per_colour(settings["scale"]), _per_colour(settings.get("offset", 0))
        return scale, offset, f"x * {_text(scale)} + {_text(offset)}"
    return None


def _read(sidecar: Path) -> Any:
    with sidecar.open("rb") as file:
        return json.loads(file.read(MAX_BYTES))


def _from_metadata(metadata: Mapping[str, str]) -> dict[str, Any]:
    stated = {k: json.loads(v) for k, v in metadata.items() if k.startswith(PREFIX)}
    described = stated.pop(METADATA_KEY, {})  # a file that Orchard wrote
    ours = {key: described[key] for key in ("name", "notice") if described.get(key)}
    return ours | {key.removeprefix(PREFIX): value for key, value in stated.items()}


def _check(stated: Settings, place: str) -> None:
    pairs = {"scale", "offset"} & set(stated), {"mean", "std"} & set(stated)
    if (pairs[0] and pairs[1]) or pairs[0] == {"offset"} or len(pairs[1]) == 1:
        raise WeightsError(f"{place}: expected scale and offset, or mean and std")
    for key in pairs[0] | pairs[1]:
        values = _per_colour(stated[key])
        nonzero = key in ("scale", "std")
        if (
            len(values) not in (1, 3)
            or not all(map(math.isfinite, values))
            or 0 in values * nonzero
        ):
            raise WeightsError(
                f"{place}: {key} = {json.dumps(stated[key])[:80]}: expected a number or a list of "
                f"three{', none of them 0' if nonzero else ''}"
            )
    size = stated.get("size", 1)
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MAX_SIZE:
        raise WeightsError(
            f"{place}: size = {repr(size)[:80]}: expected a whole number of pixels per side, at "
            f"most {MAX_SIZE:,}"
        )
    if stated.get("layout", "NHWC") not in ("NHWC", "NCHW"):
        raise WeightsError(f"{place}: layout = {stated['layout']!r}: expected NHWC or NCHW")
    for key in ("output", "name", "notice"):
        value = stated.get(key, "")
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise WeightsError(
                f"{place}: {key} = {str(value)[:80]!r}: expected a text of at most "
                f"{MAX_TEXT:,} characters"
            )


def _per_colour(value: Any) -> PerColour:
    """() where it is not numbers."""
    values = value if isinstance(value, list) else [value]
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    try:
        return tuple(float(v) for v in values) if numbers else ()
    except OverflowError:  # a whole number beyond what a float holds
        return ()


def _text(values: PerColour) -> str:
    return f"{values[0]:.7g}" if len(values) == 1 else f"[{', '.join(f'{v:.7g}' for v in values)}]"
