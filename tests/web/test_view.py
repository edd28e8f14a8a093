"""`orchard view`: which pictures are shown, to whom, and under which policy."""

from __future__ import annotations

import io
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import quote

import httpx2 as httpx
import pyarrow as pa
import pytest
from PIL import Image
from starlette.testclient import TestClient
from web.servers import DEADLINE

from orchard.images.confines import Confines
from orchard.report.build import PAGE, build
from orchard.report.page import policy
from orchard.storage import Storage
from orchard.store import recorded_sources
from orchard.store.output import Output
from orchard.store.tables import Tables
from orchard.web.metrics import Metrics
from orchard.web.pictures import SIDE, Pictures
from orchard.web.pool import Pool
from orchard.web.view import create_app, page_of, usual_port

HOSTILE = b"<html lang='en'><script>fetch('https://elsewhere.example/')</script>"


def silent(_: str) -> None: ...


@pytest.fixture(scope="module")
def viewed(rendered_result: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result with its report."""
    folder = tmp_path_factory.mktemp("view") / "result"
    shutil.copytree(rendered_result, folder)
    build(Tables(Output.at(folder)))
    return folder


def client_of(folder: Path, page: bytes = b'<html lang="en">') -> TestClient:
    tables = Tables(Output.at(folder))
    paths = tables.read("features", ["path"])["path"]
    confines = recorded_sources.confines(tables.output)
    pictures = Pictures(paths, confines, Storage(), 50_000_000)
    pool = Pool(1, 8, 300.0)
    app = create_app(page, pictures, pool, Metrics(pool))
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


def a_path(folder: Path) -> str:
    return str(Tables(Output.at(folder)).read("features", ["path"])["path"][0].as_py())


def test_the_page_that_is_stored_is_served_under_a_policy_of_its_own(viewed: Path) -> None:
    tables = Tables(Output.at(viewed))
    page = page_of(tables, silent)
    assert page == (viewed / PAGE).read_bytes()
    answer = client_of(viewed, page).get("/")
    assert 'data-pictures="/picture?path="' in answer.text
    sent = answer.headers["content-security-policy"]
    assert sent == f"{policy(chr(39) + 'self' + chr(39))}; frame-ancestors 'none'"
    assert re.search(r"script-src ('sha256-[^ ]+'( |;))+", sent)
    assert "connect-src" not in sent
    assert sent.removesuffix("; frame-ancestors 'none'") in answer.text


def test_a_page_of_another_making_is_computed_again(viewed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "result"
    shutil.copytree(viewed, folder)
    (folder / PAGE).write_bytes(HOSTILE)
    said: list[str] = []
    page = page_of(Tables(Output.at(folder)), said.append)
    assert b"elsewhere.example" not in page
    assert policy().encode() in page
    assert any("another version" in line for line in said)
    assert (folder / PAGE).read_bytes() == HOSTILE, "OUTPUT is only read"


def test_a_picture_of_the_result_comes_without_exif(viewed: Path) -> None:
    path = a_path(viewed)
    answer = client_of(viewed).get(f"/picture?path={quote(path)}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    with Image.open(io.BytesIO(answer.content)) as image, Image.open(path) as source:
        assert image.size == source.size
        assert not image.getexif()


def test_nothing_else_of_this_machine_is_shown(viewed: Path, tmp_path: Path) -> None:
    shutil.copy(a_path(viewed), tmp_path / "private.jpg")
    beside = str(Path(a_path(viewed)).parent / ".." / "private.jpg")
    for path in ("", "/etc/passwd", str(tmp_path / "private.jpg"), beside, "\ud800", "a\0b"):
        sent = quote(path.encode("utf-8", "surrogatepass"))
        assert client_of(viewed).get(f"/picture?path={sent}").status_code == 404, path
    assert client_of(viewed).get("/picture").status_code == 404


def test_a_path_that_leads_out_of_the_sources_is_not_shown(tmp_path: Path) -> None:
    inside, outside = tmp_path / "photos" / "a.png", tmp_path / "private.png"
    inside.parent.mkdir()
    for path in (inside, outside):
        Image.new("RGB", (8, 8)).save(path)
    paths = pa.chunked_array([[str(inside), str(outside)]])
    confines = Confines((str(inside.parent),), str(tmp_path / "result"))
    pictures = Pictures(paths, confines, Storage(), 50_000_000)
    assert pictures.jpeg(str(inside)) is not None
    assert pictures.jpeg(str(outside)) is None
    assert pictures.n_outside == 1


def test_members_of_archives_are_shown_and_large_pictures_made_smaller(tmp_path: Path) -> None:
    made = io.BytesIO()
    Image.new("RGB", (SIDE * 2, SIDE), "red").save(made, "PNG")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a/red.png", made.getvalue())
    path = f"{tmp_path}/photos.zip!/a/red.png"
    confines = Confines((f"{tmp_path}/photos.zip",), str(tmp_path / "result"))
    jpeg = Pictures(pa.chunked_array([[path]]), confines, Storage(), 50_000_000).jpeg(path)
    assert jpeg is not None
    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.size == (SIDE, SIDE // 2)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "photos.example"}, 421),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_other_sites_see_no_picture(viewed: Path, headers: dict[str, str], status: int) -> None:
    address = f"/picture?path={quote(a_path(viewed))}"
    assert client_of(viewed).get(address, headers=headers).status_code == status


def test_nothing_can_be_sent(viewed: Path) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert client_of(viewed).request(method, "/").status_code == 405


def test_a_result_has_its_own_port_or_another_where_that_is_taken(viewed: Path) -> None:
    usual = usual_port(str(viewed))
    assert 49152 <= usual <= 65535
    assert usual == usual_port(str(viewed)) != usual_port(f"{viewed}2")
    main = "from orchard.cli import main; main()"
    with socket.create_server(("127.0.0.1", usual)):
        server = subprocess.Popen(
            [sys.executable, "-c", main, "view", str(viewed), "--no-browser"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().split(":")[2].split("/")[0])
            assert port != usual
            answer = httpx.get(f"http://127.0.0.1:{port}/", timeout=DEADLINE)
            assert "data-pictures" in answer.text
        finally:
            server.terminate()
            server.communicate(timeout=60)
    assert server.returncode == 0
