"""Several networks in a browser: each sees its own squares, and the answer is `predict`'s."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from browser.conftest import Visit, ready
from browser.test_app import IDENTIFY, encoded, pictures
from PIL import Image
from playwright.sync_api import Browser

from orchard.classify.files import Classifier, load_classifier
from orchard.classify.predictor import Predictor
from orchard.images.views import view_of
from orchard.store.output import Output

pytestmark = pytest.mark.browser

NAMES = ["plain", "zoom", "mirror", "near", "plain:32", "zoom:32", "mirror:48"]
RESIZE = """async ({views, width, height, size, rgba}) => {
    const {Views} = await import("./pixels.js");
    const seen = new Views(views, width, height, size);
    seen.take(Uint8Array.from(atob(rgba), (c) => c.charCodeAt(0)), 0, height);
    const text = (square) => Array.from(square, (byte) => String.fromCharCode(byte)).join("");
    return seen.squares().map((square) => btoa(text(square)));
}"""


@pytest.fixture(scope="session")
def classifier(side_by_side: Path) -> Classifier:
    return load_classifier(Output.at(side_by_side))


def test_the_phone_runs_both_networks_and_answers_as_predict_does(
    visit: Visit, browser: Browser, classifier: Classifier, rendered: Path
) -> None:
    assert len(classifier.network.branches) == 2
    photos = pictures(rendered)[::6]
    expected = Predictor(classifier, scaled=False).predict([photo for _, photo in photos])
    page = ready(visit(browser))
    array = np.random.default_rng(5).integers(0, 256, (90, 130, 3), np.uint8)
    image = Image.fromarray(array)
    rgba = encoded(np.asarray(image.convert("RGBA")).tobytes())
    given = {"views": NAMES, "width": 130, "height": 90, "size": 96, "rgba": rgba}
    for name, square in zip(NAMES, page.evaluate(RESIZE, given), strict=True):
        assert base64.b64decode(square) == np.asarray(view_of(image, name, 96)).tobytes(), name
    found = page.evaluate(IDENTIFY, [(kind, encoded(photo)) for kind, photo in photos])
    apart = []
    for here, there in zip(found, expected, strict=True):
        assert here["species"][0]["label"] == there.species[0].label
        apart.append(abs(here["species"][0]["probability"] - there.species[0].probability))
    assert np.median(apart) < 0.02
