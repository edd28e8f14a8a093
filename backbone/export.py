"""The network of a training that is still under way, to look at: its average so far, as ONNX.

    python backbone/export.py RUN --out peek.onnx

Its learning rate has not come down yet, so it is worse than what the training will end with.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from backbone.checkpoint import averaged_backbone
from backbone.trainer import CHECKPOINT

from backbone.export import export


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    settings = json.loads((arguments.run / "run.json").read_text())["settings"]
    backbone, state = averaged_backbone(arguments.run / CHECKPOINT)
    notice = f"unfinished training, step {state['step']}"
    found = export(
        backbone, arguments.out, size=settings["sides"][-1], name=settings["name"], notice=notice
    )
    print(json.dumps({"step": state["step"]} | found))


if __name__ == "__main__":
    main()
