"""Write the model card of a training: card.json for programs, card.md for people.

    python backbone/card.py RUN --held-out HELD_OUT --figures figures.json --baseline baseline.json

RUN is the training that ships, HELD_OUT the one whose network the figures are of; they are one and
the same while there is no training on all data. Nothing here is typed in by hand but the licence
and the limits.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from backbone.figures_table import TITLES, table
from backbone.record import finished, summary

LICENCE = "Apache-2.0"
ATTRIBUTION = {
    "fruit": "Fruits-360, Mihai Oltean, CC BY-SA 4.0",
    "scenes": "Grocery Store Dataset, Marcus Klasson, MIT",
    "teacher": "MobileNetV2 of Keras, ImageNet; only its outputs were used, Apache-2.0",
}
LIMITS = (
    "Trained only on photos of fruit and vegetables; it is not meant for other subjects.",
    "It also gives features for varieties that it has not learnt: measure before you rely on them.",
    "The some 2,000 photos of shops come from the shops of one country.",
    "Settings were changed once after figures of an earlier training were known (longer, smaller "
    "batches, more of the teacher); no network was chosen among several by its figures.",
)


def main() -> None:
    arguments = _parse()
    card = make(arguments.run, arguments.held_out or arguments.run)
    card |= _measured(card["measured_on"]["sha256"], arguments.figures, arguments.baseline)
    card |= {"speed": _speed(card["file"]["sha256"], arguments.speed)}
    card |= {"int8": _int8(card["file"]["sha256"], arguments.int8)}
    (arguments.run / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    (arguments.run / "card.md").write_text(markdown(card))
    print(arguments.run / "card.md")


def make(run: Path, held_out: Path) -> dict[str, Any]:
    """All but what was measured. Raises SystemExit where a training is unfinished."""
    shipped, measured = finished(run), finished(held_out)
    return {
        "name": shipped["settings"]["name"],
        "notice": shipped["settings"]["notice"],
        "architecture": "MobileNetV2, width 1.0, 1280 features, random initial values",
        "licence": LICENCE,
        "data": ATTRIBUTION,
        "file": shipped["result"]["onnx"],
        "training": _training(shipped),
        "measured_on": _training(measured) | {"same_as_shipped": run == held_out},
        "limits": list(LIMITS),
    }


def _measured(sha256: str, figures: Path | None, baseline: Path | None) -> dict[str, Any]:
    """Raises SystemExit where the figures are of another network."""
    found = None if figures is None else json.loads(figures.read_text())
    if found and found["network"]["sha256"] != sha256:
        raise SystemExit(f"{figures}: of {found['network']}, not of the network of sha256 {sha256}")
    against = None if baseline is None else json.loads(baseline.read_text())
    return {"figures": found, "baseline": against}


def _speed(sha256: str, speed: Path | None) -> dict[str, Any] | None:
    found = None if speed is None else json.loads(speed.read_text())
    if found and found["sha256"] != sha256:
        raise SystemExit(f"{speed}: of another network than the one of sha256 {sha256}")
    return found


def _int8(sha256: str, pair: list[Path] | None) -> dict[str, Any] | None:
    """The figures of this network in float32 and in int8."""
    if pair is None:
        return None
    exact, whole = (json.loads(path.read_text()) for path in pair)
    networks = [found["network"] for found in (exact, whole)]
    if [(n["sha256"], n.get("precision")) for n in networks] != [(sha256, None), (sha256, "int8")]:
        raise SystemExit(f"{pair}: of {networks}, not of {sha256} in float32 and in int8")
    return {"float32": exact, "int8": whole}


def markdown(card: dict[str, Any]) -> str:
    file, training, measured = card["file"], card["training"], card["measured_on"]
    lines = [
        f"# `{card['name']}`: {card['architecture']}",
        *([f"\n**{card['notice']}**"] if card["notice"] else []),
        f"\nNative input {file['size']} × {file['size']} pixels; {file['bytes']:,} bytes; float16 "
        f"in the file, float32 in the arithmetic; sha256 `{file['sha256']}`. Against PyTorch: "
        f"lowest cosine {file['against_pytorch']['cosine_min']:.6f}. Licence: {card['licence']}.",
        "\n## Training\n",
        f"{training['images']:,} pictures in {training['steps']:,} steps, seed {training['seed']}, "
        f"protocol `{training['protocol']}`, from {training['photos_seen']['fruit']:,} photos on "
        f"white and {training['photos_seen']['scenes']:,} photos of shops.",
        *_origin(training["before"]),
        "\n## Figures\n",
        _whose(measured),
        *(table(card["figures"], card["baseline"]) if card["figures"] else ["Not measured yet."]),
        *_how_fast(card["speed"]),
        *_in_int8(card.get("int8")),
        "\n## Data\n",
        *(f"- {text}" for text in card["data"].values()),
        "\n## Limits\n",
        *(f"- {text}" for text in card["limits"]),
    ]
    return "\n".join(lines) + "\n"


def _how_fast(speed: dict[str, Any] | None) -> list[str]:
    if speed is None:
        return []
    return [
        f"\nSpeed on one core: {speed['images_per_second']:,} images/s at {speed['size']} pixels, "
        f"{speed['ratio']} times the baseline's {speed['baseline_images_per_second']:,} at "
        f"{speed['baseline_size']}."
    ]


def _in_int8(pair: dict[str, Any] | None) -> list[str]:
    if pair is None:
        return []
    lines = [
        "\n## In int8\n",
        "Both columns are of this network, which has seen these photos in training: read their "
        "difference (`--precision int8`), not their height.\n",
        "| protocol | PCA | photos | float32 | int8 |",
        "|---|---|---|---|---|",
    ]
    for measure, by_components in pair["float32"]["figures"].items():
        for components, exact in by_components.items():
            whole = pair["int8"]["figures"][measure][components]
            lines.append(
                f"| {TITLES[measure]} | {components} | {exact['asked']:,} | {exact['top1']:.4f} | "
                f"{whole['top1']:.4f} |"
            )
    return lines


def _origin(before: list[dict[str, Any]]) -> list[str]:
    """The trainings that this one went on from."""
    if not before:
        return []
    return [
        "\nIt continued from the network of an earlier training, which did the same, back to one "
        "from random initial values. The most recent comes first:\n",
        *(
            f"- {run['images']:,} pictures in {run['steps']:,} steps, seed {run['seed']}, protocol "
            f"`{run['protocol']}`, sha256 `{run['sha256'][:16]}…`"
            for run in reversed(before)
        ),
    ]


def _whose(measured: dict[str, Any]) -> str:
    if measured["same_as_shipped"]:
        return "These are of this network.\n"
    return (
        f"These are of another network, trained by protocol `{measured['protocol']}`, which did "
        "not see the test photos. This one has seen all of them, so its own figures would say "
        "nothing.\n"
    )


def _training(run: dict[str, Any]) -> dict[str, Any]:
    return summary(run) | {
        "seconds": run["result"]["seconds"],
        "before": run.get("before", []),
        "photos_seen": run["photos_seen"],
        "settings": run["settings"],
        "machine": run["machine"],
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--held-out", type=Path, help="the training that the figures are of")
    parser.add_argument("--speed", type=Path, help="what speed.py wrote of RUN's network")
    parser.add_argument(
        "--int8",
        type=Path,
        nargs=2,
        metavar=("FLOAT32", "INT8"),
        help="what evaluate.py wrote of the network that ships, in both precisions",
    )
    parser.add_argument("--figures", type=Path, help="what evaluate.py wrote of it")
    parser.add_argument("--baseline", type=Path, help="what evaluate.py wrote of imagenet at 224")
    return parser.parse_args()


if __name__ == "__main__":
    main()
