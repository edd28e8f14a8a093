"""The report of results of many images: time and memory to build it, its size, its first paint.

    python benchmarks/report_points.py [2000 25000 100000 1000000] [--keep DIR] [--rounds 3]

The tables hold no photos but are written as a run writes them: groups in 60 components, a folder
each, names as cameras and downloads give them, thumbnails of as many images as a run keeps.
`orchard report` makes the page in a process of its own; s: by the clock, CPU s: of all cores, MiB:
at most. First paint: from the start of navigation until Chromium has shown a frame of the map with
all its dots; again: from a move of the map to the frame that shows it. Chromium draws here without
a graphics card unless the machine has one.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from orchard.images.thumbnail import MOST, gets_one, share
from orchard.records import COMPONENTS, FEATURES, THUMBNAILS, list_column
from orchard.reduction import PCA
from orchard.store import models, runs, staging
from orchard.store.output import Output
from orchard.store.tables import Tables

SIZES = [2_000, 25_000, 100_000, 1_000_000]
K, D, GROUPS = 60, 64, 120
ROWS_A_FILE = 50_000
PICTURES = 400
REPORT = ("-m", "orchard", "report")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu"]
PATIENCE = 120_000
# The page says when it is ready; two frames later what it drew has been shown.
PAINTED = """async (again) => {
    const frame = () => new Promise(requestAnimationFrame);
    while (!document.documentElement.dataset.ready) await frame();
    const before = again ? performance.now() : 0;
    if (again) document.querySelector("#zoom-in").click();
    await frame(); await frame();
    const isDots = (canvas) => canvas.id !== "overlay" && !canvas.closest("#card");
    const dots = [...document.querySelectorAll("#stage canvas")].find(isDots);
    const gl = dots?.getContext("webgl2");  // reading a pixel waits until all are drawn
    gl?.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    return performance.now() - before;
}"""


def write_result(folder: Path, n: int) -> None:
    """Tables of n images, as one run leaves them."""
    output, run_id = Output.at(folder), runs.new_run_id()
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((D, D)))[0]
    variance = 40.0 / np.arange(1, D + 1)
    pca = PCA(np.zeros(D), np.ones(D), basis[:K].copy(), variance, n)
    card = models.save_pca(
        output, pca, requested=K, standardize=True, fingerprint="0" * 16, notice=None
    )
    pictures = [picture(rng) for _ in range(PICTURES)]
    centres = rng.standard_normal((GROUPS, K)) * np.sqrt(variance[:K]) * 1.5
    staged: dict[str, list[staging.TableFile]] = {}
    for number, start in enumerate(range(0, n, ROWS_A_FILE)):
        rows = np.arange(start, min(start + ROWS_A_FILE, n))
        for name, part in parts(rows, n, rng, centres, basis, card.pca_id, run_id, pictures):
            file = staging.stage(output, run_id, name, f"{number:06d}", part)
            staged.setdefault(name, []).append(file)
    tables = Tables(output)
    for name, files in staged.items():
        tables = tables.commit(run_id, name, files).tables


def parts(
    rows: NDArray[np.int64],
    n: int,
    rng: np.random.Generator,
    centres: NDArray[np.float64],
    basis: NDArray[np.float64],
    pca_id: str,
    run_id: str,
    pictures: list[bytes],
) -> Iterator[tuple[str, pa.Table]]:
    """Some rows of each table."""
    group = rows * GROUPS // n
    spread = np.sqrt(40.0 / np.arange(1, K + 1)) * 0.45
    vectors = (centres[group] + rng.standard_normal((len(rows), K)) * spread).astype(np.float32)
    paths = [f"/photos/group {g:03d}/{name_of(int(r))}" for g, r in zip(group, rows, strict=True)]
    labels = pa.array([f"group {g:03d}" for g in group])
    known = {
        "path": pa.array(paths),
        "label": labels,
        "size": pa.array(rng.integers(20_000, 400_000, len(rows))),
        "sha256": pa.array([f"{row - (row % 1000 == 1):064x}" for row in rows]),  # some twice
        "width": pa.array(rng.choice([640, 480, 1024], len(rows)), pa.int32()),
        "height": pa.array(np.full(len(rows), 640), pa.int32()),
        "features": list_column(
            vectors @ basis[:K].astype(np.float32), FEATURES.field("features").type
        ),
        "fingerprint": pa.array(["0" * 16] * len(rows)),
        "run_id": pa.array([run_id] * len(rows)),
    }
    nothing = {name: pa.nulls(len(rows), FEATURES.field(name).type) for name in FEATURES.names}
    yield "features", pa.table(nothing | known, schema=FEATURES)
    components = {
        "path": known["path"],
        "label": labels,
        "components": list_column(vectors, COMPONENTS.field("components").type),
        "pca_id": pa.array([pca_id] * len(rows)),
    }
    yield "components", pa.table(components, schema=COMPONENTS)
    kept = [i for i, path in enumerate(paths) if gets_one(path, share(n))][: 2 * MOST]
    jpegs = [pictures[int(rows[i]) % PICTURES] for i in kept]
    of_kept = {name: known[name].take(pa.array(kept, pa.int64())) for name in THUMBNAILS.names[:2]}
    more = {"jpeg": pa.array(jpegs, pa.binary()), "run_id": pa.array([run_id] * len(kept))}
    thumbnails = pa.table(of_kept | more, schema=THUMBNAILS)
    yield "thumbnails", thumbnails


def name_of(row: int) -> str:
    """Every other as a camera names it, in order, with the time; the rest as a download."""
    mixed = row * 2654435761 % 2**32
    if row % 2:
        return f"n{mixed % 10**7:07d}_{row}.JPEG"
    taken = datetime(2024, 1, 1) + timedelta(seconds=row * 180 + mixed % 180)
    return f"IMG_{taken:%Y%m%d_%H%M%S}.jpg"


def picture(rng: np.random.Generator) -> bytes:
    """Soft shapes and some grain, 112 pixels: as many bytes as a photo's thumbnail."""
    coarse = rng.integers(0, 256, (7, 7, 3), np.uint8)
    soft = Image.fromarray(coarse).resize((112, 112), Image.Resampling.BICUBIC)
    grain = rng.normal(0, 3, (112, 112, 1))
    pixels = (np.asarray(soft, np.float32) + grain).clip(0, 255).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=75)
    return data.getvalue()


def report(folder: Path) -> tuple[float, float, float]:
    """Seconds by the clock and of all cores, and MiB at most, of `orchard report`."""
    started = time.perf_counter()
    child = subprocess.Popen([sys.executable, *REPORT, str(folder)], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0, status
    seconds = time.perf_counter() - started
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def painted(page: Page, file: Path) -> tuple[float, float]:
    """Milliseconds to the first frame with all dots, and to the next after a move."""
    page.goto(file.as_uri(), wait_until="commit")
    return page.evaluate(PAINTED, False), page.evaluate(PAINTED, True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="*", type=int, default=SIZES)
    parser.add_argument("--keep", type=Path, help="folder for the results, kept and used again")
    parser.add_argument("--rounds", type=int, default=3, help="of opening each page")
    args = parser.parse_args()
    print("| images | build, s | CPU s | MiB | file, MB | first paint, s | again, s |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        for n in args.images:
            folder = (args.keep or Path(temporary)) / str(n)
            if not folder.exists():
                write_result(folder, n)
            seconds, cpu, memory = report(folder)
            file = folder / "report" / "index.html"
            first, again = [], []
            for _ in range(args.rounds):
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.set_default_timeout(PATIENCE)
                for kept, took in zip((first, again), painted(page, file), strict=True):
                    kept.append(took / 1000)
                browser.close()
            print(
                f"| {n:,} | {seconds:.1f} | {cpu:.1f} | {memory:.0f} "
                f"| {file.stat().st_size / 1e6:.1f} | {statistics.median(first):.2f} "
                f"| {statistics.median(again):.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
