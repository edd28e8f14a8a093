"""robots.txt, by RFC 9309: what is disallowed is not read, and each server is asked once."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from PIL import Image

from orchard.images import robots_once, web
from orchard.images.robots import Robots
from orchard.records import Failure, Reason
from orchard.storage.web_access import WebAccess
from tests.images.web_server import WebServer, content, serving, status

ACCESS = WebAccess(rate=1000, private=True, seconds=10, attempts=1)
RULES = """
# RFC 9309, 5.1, and what is ours
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: Orchard
Disallow: /private
Allow: /private/shown
Disallow: /*/thumbs/*.jpg$
Disallow: /caf%C3%A9
Allow: /same
Disallow: /same
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", True),
        ("/example/1.gif", True),  # a rule for others, and not for us
        ("/private/1.jpg", False),
        ("/private/shown/1.jpg", True),  # the longest counts
        ("/Private/1.jpg", True),
        ("/a/thumbs/1.jpg", False),
        ("/a/thumbs/1.jpg?size=2", True),
        ("/a/thumbs/1.jpg.jpg", False),
        ("/caf\u00e9/1.jpg", False),
        ("/same", True),  # of equal ones that which allows
    ],
)
def test_the_longest_rule_for_us_counts(path: str, allowed: bool) -> None:
    assert Robots.parsed(RULES).allows(path) is allowed


def test_without_a_group_for_us_the_rules_for_all_count() -> None:
    robots = Robots.parsed(RULES.replace("Orchard", "Grove"))
    assert not robots.allows("/example/1.jpg")
    assert not robots.allows("/images/1.gif")
    assert robots.allows("/images/1.gifs")
    assert robots.allows("/private/1.jpg")
    assert Robots.parsed("user-agent: orchard\ndisallow:").allows("/example/")
    assert Robots.parsed("<html>none here</html>").allows("/")


def test_a_costly_pattern_costs_little() -> None:
    started = time.process_time()
    assert Robots.parsed("user-agent: *\ndisallow: " + "/a*" * 5000 + "b$").allows("/a" * 5000)
    assert time.process_time() - started < 2


@pytest.fixture
def server() -> Iterator[WebServer]:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    with serving() as found:
        for place in ("/private/1.png", "/open/1.png"):
            found.answers[place] = content(buffer.getvalue())
        found.robots = "User-agent: *\nDisallow: /private/"
        yield found


def test_what_is_disallowed_is_not_asked_for(server: WebServer) -> None:
    refused = web.get(f"{server.url}/private/1.png", ACCESS, 10**6)
    assert isinstance(refused, Failure)
    assert refused.reason is Reason.FORBIDDEN
    assert "/robots.txt disallows it; ask" in refused.detail
    assert isinstance(web.get(f"{server.url}/open/1.png", ACCESS, 10**6), bytes)
    server.answers["/moved.png"] = status(302, Location="/private/1.png")
    assert web.get(f"{server.url}/moved.png", ACCESS, 10**6) == refused
    assert server.asked == [("GET", "/open/1.png"), ("GET", "/moved.png")]
    assert server.asked_robots == 1


def got(url: str) -> bool:
    return isinstance(web.get(url, ACCESS, 10**6), bytes)


GET = """
import sys
from orchard.images import web
from orchard.storage.web_access import WebAccess

access = WebAccess(rate=1000, private=True, seconds=10, attempts=1)
print([isinstance(web.get(url, access, 10**6), bytes) for url in sys.argv[1:]])
"""


def test_processes_ask_for_it_once(server: WebServer) -> None:
    command = [sys.executable, "-c", GET, f"{server.url}/open/1.png", f"{server.url}/private/1.png"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0] for process in processes] == ["[True, False]\n"] * 3
    assert server.asked_robots == 1


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_server_without_one_allows_all(server: WebServer, code: int) -> None:
    server.answers["/robots.txt"] = status(code)
    assert got(f"{server.url}/private/1.png")


def test_one_that_cannot_be_had_forbids_all_for_now(server: WebServer) -> None:
    server.answers["/robots.txt"] = status(503)
    refused = web.get(f"{server.url}/open/1.png", ACCESS, 10**6)
    assert isinstance(refused, Failure)
    assert refused.reason is Reason.IO_ERROR, "which the next run tries again"
    assert refused.detail.startswith("robots.txt: the server answered 503")
    del server.answers["/robots.txt"]
    assert got(f"{server.url}/open/1.png")


def test_it_is_asked_for_again_after_an_hour(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not got(f"{server.url}/private/1.png")
    server.robots = ""
    later = time.time() + robots_once.SECONDS + 1
    monkeypatch.setattr(robots_once.time, "time", lambda: later)
    assert got(f"{server.url}/private/1.png")
    assert server.asked_robots == 2
