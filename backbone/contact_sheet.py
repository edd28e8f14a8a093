"""Draw what the training sees: masks, or pictures of every kind, as one PNG to look at."""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import cv2
import numpy as np
from backbone.compose import KINDS, Composer
from backbone.options import add_data, photos_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_data(parser)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--out", type=Path, default=Path("contact_sheet.png"))
    arguments = parser.parse_args()
    composer, rng = Composer(photos_of(arguments)), random.Random(arguments.seed)
    rows = []
    for kind in KINDS:
        tiles = [composer.picture(rng, kind, arguments.side)[0] for _ in range(64)]
        rows += [np.hstack(tiles[i : i + 16]) for i in range(0, 64, 16)]
        began, n = time.process_time(), 300
        for _ in range(n):
            composer.picture(rng, kind, arguments.side)
        rate = n / (time.process_time() - began)
        print(f"{kind}: {rate:,.0f} pictures of {arguments.side} pixels a second of one core")
    cv2.imwrite(str(arguments.out), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    print(f"{arguments.out}: four rows of each of {', '.join(KINDS)}")


if __name__ == "__main__":
    main()
