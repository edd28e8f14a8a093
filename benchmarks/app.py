"""The page that answers by itself, in Chromium, against `orchard predict`: answers, time, memory.

    python benchmarks/app.py OUTPUT PHOTO... [--many 500]

Prints the share of equal answers, how far probabilities are apart, milliseconds of these photos and
of one of 12 megapixels, for how long the page did not answer a touch, and the memory of the
renderer over many photos (Linux).
"""

from __future__ import annotations

import argparse
import base64
import functools
import http.server
import io
import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from orchard.classify.files import load_classifier
from orchard.classify.predictor import Predictor
from orchard.store.output import Output
from orchard.web.folder import write
from orchard.web.site import site

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
IDENTIFY = """async (photos) => {
    const {identify} = await import("./device.js");
    const found = [];
    for (const photo of photos) {
        const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
        const began = performance.now();
        const answer = await identify(new Blob([bytes]));
        found.push({...answer, probabilities: undefined, ms: performance.now() - began});
    }
    return found;
}"""

LONG = """window.long = [];
new PerformanceObserver((list) => long.push(...list.getEntries().map((one) => one.duration)))
    .observe({type: "longtask", buffered: true});"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *values: Any) -> None:
        pass


def large(photo: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(photo)).convert("RGB").resize((4000, 3000)).save(out, "JPEG", quality=90)
    return out.getvalue()


def renderer_mb() -> int:
    """The largest resident set of Chromium's renderers."""
    lines = subprocess.run(["ps", "-eo", "rss,args"], capture_output=True, text=True).stdout
    return max(int(row.split()[0]) for row in lines.splitlines() if "=renderer" in row) // 1024


def answers(page: Page, photos: list[bytes]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(
        IDENTIFY, [base64.b64encode(photo).decode() for photo in photos]
    )
    return found


def blocked(page: Page, photo: bytes) -> list[float]:
    """Milliseconds of each, from opening the page on."""
    for _ in range(3):
        page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo})
        page.wait_for_selector("#result[aria-busy=true]", state="attached")
        page.wait_for_selector("#result[aria-busy=false] .verdict h1")
    found: list[float] = page.evaluate("window.long")
    return found


def measure(page: Page, predictor: Predictor, photos: list[bytes], many: int) -> None:
    # First: handing photos over from here, as `answers` does, would itself block the page.
    big = large(photos[0])
    print("ms of the page's own tasks above 50, three of 12 megapixels:", blocked(page, big))
    here, there = answers(page, photos), predictor.predict(photos)
    same, apart = [], []
    for one, other in zip(here, there, strict=True):
        best = other.species[0]
        same.append((one["answer"], one["species"][0]["label"]) == (other.answer, best.label))
        apart.append(abs(one["species"][0]["probability"] - best.probability))
    print(f"{len(same)} photos: {np.mean(same):.3f} answers equal")
    print(f"probability apart: median {np.median(apart):.4f}, most {max(apart):.4f}")
    print(f"ms, median: {np.median([one['ms'] for one in here]):.0f}")
    print("12 megapixels, ms:", sorted(round(one["ms"]) for one in answers(page, [big] * 9)))
    held = []
    for _ in range(many // 50):
        answers(page, [big] * 10 + (photos * 40)[:40])
        held.append(renderer_mb())
    print("renderer, MB, after each 50 photos, 10 of them of 12 megapixels:", held)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output")
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--many", type=int, default=500)
    given = parser.parse_args()
    classifier = load_classifier(Output.at(given.output))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write(site(classifier), Path(folder) / "site")
        handler = functools.partial(Quiet, directory=str(Path(folder) / "site"))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            page.add_init_script(LONG)
            page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
            page.wait_for_selector("html[data-device=ready]")
            photos = [path.read_bytes() for path in given.photos]
            measure(page, Predictor(classifier), photos, given.many)
            browser.close()
            server.shutdown()


if __name__ == "__main__":
    main()
