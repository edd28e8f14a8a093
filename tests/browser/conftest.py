from __future__ import annotations

import functools
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from orchard.classify.files import Classifier, load_classifier
from orchard.store.output import Output
from orchard.web.folder import write
from orchard.web.site import site

PATIENCE = 300_000  # milliseconds, of a busy machine; nothing waits for them to pass
PHONE = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True,
    "has_touch": True,
}  # fmt: skip
Visit = Callable[..., Page]
Launch = Callable[..., Browser]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *values: Any) -> None:
        pass


@contextmanager
def hosting(folder: Path) -> Iterator[str]:
    """The folder at an address of this machine, by Python's own web server."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    """Start Chromium with some flags; all are closed at the end of the module."""
    own = "/usr/bin/chromium"
    path = os.environ.get("CHROMIUM", own if Path(own).exists() else None)
    with sync_playwright() as playwright:
        started: list[Browser] = []

        def launch(*flags: str) -> Browser:
            browser = playwright.chromium.launch(
                executable_path=path, args=["--no-sandbox", *flags], timeout=PATIENCE
            )
            started.append(browser)
            return browser

        yield launch
        for browser in started:
            browser.close()


@pytest.fixture(scope="module")
def browser(launch: Launch) -> Browser:
    return launch()


@pytest.fixture(scope="session")
def output(request: pytest.FixtureRequest) -> Path:
    """An OUTPUT with a classifier: ORCHARD_TRAINED's, else of rendered fruit."""
    if "ORCHARD_TRAINED" in os.environ:
        return Path(os.environ["ORCHARD_TRAINED"])
    request.getfixturevalue("trained")
    found: Path = request.getfixturevalue("rendered_result")
    return found


@pytest.fixture(scope="session")
def classifier(output: Path) -> Classifier:
    return load_classifier(Output.at(output))


@pytest.fixture
def folder(classifier: Classifier, tmp_path: Path) -> Path:
    """What `orchard app` writes, below another folder, as a site often lies."""
    write(site(classifier), tmp_path / "host" / "app")
    return tmp_path / "host" / "app"


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    with hosting(folder.parent) as address:
        yield f"{address}app/"


@pytest.fixture
def visit(address: str) -> Iterator[Visit]:
    """The site on a phone. Whatever it complains of or asks of others fails the test."""
    complaints: list[str] = []
    opened: list[BrowserContext] = []

    def visit(browser: Browser, **settings: Any) -> Page:
        context = browser.new_context(**{**PHONE, "locale": "en", **settings})
        context.set_default_timeout(PATIENCE)
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda m: m.type in ("error", "warning") and complaints.append(m.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        own = (address, "blob:")
        page.on("request", lambda r: complaints.extend([r.url] * (not r.url.startswith(own))))
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        return page

    yield visit
    for context in opened:
        context.close()
    ignored = "ERR_INTERNET_DISCONNECTED"
    assert [text for text in complaints if ignored not in text] == []


def ready(page: Page) -> Page:
    page.wait_for_selector("html[data-device=ready]")
    return page
