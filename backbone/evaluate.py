"""Hold a network against the three protocols: features → standardise → PCA → logistic regression.

    python backbone/evaluate.py --model backbone.onnx --fruit DIR --scenes DIR --out figures.json

Runs with the package's own environment and its own code: what is measured is what users get. In
place of --model, --results takes results of `orchard run` over both folders, whose features were
computed with another network (say, imagenet at 224).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from backbone.features import Features, from_model, from_result
from backbone.figures import MEASURES


def main() -> None:
    arguments = _parse()
    fruit, scenes, network = _features(arguments)
    found: dict[str, Any] = {"network": network, "components": arguments.components, "figures": {}}
    for name in arguments.measures:
        photos = scenes if name == "grocery" else fruit
        figures = [MEASURES[name](photos, k) for k in arguments.components]
        found["figures"][name] = dict(zip(map(str, arguments.components), figures, strict=True))
        print(name, json.dumps(found["figures"][name]), flush=True)
    if arguments.out:
        before = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
        if before.get("network") == network:  # an evaluation in pieces
            found["figures"] = before["figures"] | found["figures"]
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


def _features(arguments: argparse.Namespace) -> tuple[Features, Features, dict[str, Any]]:
    """Of the photos on white, of the shop photos, and what the network is."""
    if arguments.results:
        fruit, scenes = (from_result(result) for result in arguments.results)
    else:
        fruit, scenes = (
            from_model(
                arguments.model, folder, arguments.cache, arguments.threads, arguments.precision
            )
            for folder in (arguments.fruit, arguments.scenes)
        )
    if fruit.network != scenes.network:
        raise SystemExit(f"features of two networks: {fruit.network} and {scenes.network}")
    return fruit, scenes, fruit.network


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", help="what `orchard run --weights` takes: imagenet, a .h5 or a .onnx file")
    add("--precision", choices=("float32", "int8"), default="float32")
    add("--fruit", type=Path, help="photos on white, a folder a class (Fruits-360)")
    add("--scenes", type=Path, help="photos of shops, a folder a class (Grocery Store Dataset)")
    add("--results", nargs=2, metavar=("FRUIT", "SCENES"), help="results of orchard run instead")
    add("--measures", nargs="+", choices=sorted(MEASURES), default=sorted(MEASURES))
    add("--components", nargs="+", type=_components, default=[200, 0.95])
    add("--cache", type=Path, default=Path(".cache/backbone"))
    add("--threads", type=int, default=2)
    add("--out", type=Path, help="JSON; measures that it holds of the same network are kept")
    arguments = parser.parse_args()
    if not arguments.results and not (arguments.model and arguments.fruit and arguments.scenes):
        parser.error("expected --model, --fruit and --scenes, or --results")
    return arguments


def _components(text: str) -> float | int:
    return int(text) if float(text) >= 1 else float(text)


if __name__ == "__main__":
    main()
