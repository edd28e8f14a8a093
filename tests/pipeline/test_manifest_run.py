"""A run over what a table names: its labels and columns come along, and follow the table."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import orchard
from orchard.config import RunConfig
from orchard.errors import ConfigError, SourceError
from orchard.images import web
from orchard.progress import Reporter
from orchard.result import Result
from orchard.result.export import export
from orchard.result.processing_record import Statement, record
from orchard.store import erase
from orchard.store.output import Output
from tests.conftest import silent
from tests.images.web_server import WebServer, content, serving, status

Run = Callable[..., Result]
KEPT = ("sku", "price")


def write(folder: Path, *lines: str, name: str = "list.csv") -> str:
    (folder / name).write_text("\n".join(["path,label,sku,price", *lines]) + "\n")
    return str(folder / name)


def rows(folder: Path, labels: tuple[str, ...] = ("apple", "lemon"), n: int = 4) -> list[str]:
    return [f"{name}/{i}.png,{name.upper()},00{i},{i}.5" for name in labels for i in range(n)]


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    return shutil.copytree(photos, tmp_path / "photos")


@pytest.fixture
def no_spark(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def refuse(_: RunConfig) -> None:
        raise AssertionError("Spark is started")

    return lambda: monkeypatch.setattr("orchard.spark.session.spark_session", refuse)


def by_name(table: Any, *columns: str) -> dict[str, tuple[Any, ...]]:
    return {
        "/".join(row["path"].split("/")[-2:]): tuple(row[column] for column in columns)
        for row in table.select(["path", *columns]).to_pylist()
    }


def test_a_manifest_is_read_and_its_columns_come_along(run: Run, folder, tmp_path, no_spark):
    place = write(folder, *rows(folder), "plum/none.png,PLUM,x,", "apple/0.png,OTHER,dup,")
    text = folder / "lemon/text.png"
    text.write_text("no picture")
    write(folder, *Path(place).read_text().splitlines()[1:], "lemon/text.png,LEMON,t,9")
    out, heard = tmp_path / "out", io.StringIO()
    reporter = Reporter(Console(file=heard, width=1000))
    first = run((), out, manifest=place, keep_columns=KEPT, reporter=reporter)
    assert "1 rows of" in heard.getvalue()
    assert "name an image again" in heard.getvalue()
    for table in (first.features(), first.components()):
        assert by_name(table, "label", *KEPT)["apple/2.png"] == ("APPLE", "002", "2.5")
        assert len(table) == 8
    errors = by_name(first.errors(), "reason", "sku")
    assert errors == {"plum/none.png": ("vanished", None), "lemon/text.png": ("not_an_image", "t")}
    assert first.record["counts"]["listed"] == 10
    no_spark()
    changed = [line.replace("APPLE,002,2.5", "PEAR,002,7") for line in rows(folder)]
    write(folder, *changed, "plum/none.png,PLUM,x,", "lemon/text.png,LEMON,t,10")
    again = run((), out, manifest=place, keep_columns=KEPT)
    for table in (again.features(), again.components()):
        assert by_name(table, "label", *KEPT)["apple/2.png"] == ("PEAR", "002", "7")
    assert by_name(again.errors(), "price")["lemon/text.png"] == ("10",)
    assert (again.record["counts"]["relabelled"], again.record["counts"]["embedded"]) == (2, 0)
    once_more = run((), out, manifest=place, keep_columns=KEPT)
    assert once_more.record["counts"]["relabelled"] == 0


def test_a_line_that_leaves_the_manifest_goes_and_another_manifest_adds(run: Run, folder, tmp_path):
    one = write(folder, *rows(folder), name="one.csv")
    two = write(folder, *rows(folder, ("plum",)), name="two.csv")
    out = tmp_path / "out"
    run((), out, manifest=one, keep_columns="sku")
    both = run((), out, manifest=two)
    assert len(both.components()) == 12
    assert by_name(both.components(), "sku")["plum/0.png"] == (None,)
    assert by_name(both.components(), "sku")["apple/0.png"] == ("000",)
    write(folder, *rows(folder)[1:], name="one.csv")
    (folder / "apple/1.png").unlink()
    less = run((), out, manifest=one, keep_columns="sku")
    assert sorted(by_name(less.gone(), "sku")) == ["apple/0.png", "apple/1.png"]
    assert by_name(less.errors(), "reason") == {"apple/1.png": ("vanished",)}
    write(folder, *rows(folder), name="one.csv")
    back = run((), out, manifest=one, keep_columns="sku")
    assert back.record["counts"]["returned"] == 1
    assert by_name(back.components(), "sku")["apple/0.png"] == ("000",)


def test_labels_from_a_file_change_without_a_pixel(run: Run, folder, tmp_path, no_spark):
    keys = [f"{name}/{i}" for name in ("apple", "lemon", "plum", "sweet pepper") for i in range(10)]
    labels = folder / "labels.csv"
    labels.write_text("file,class,sku\n" + "".join(f"{k}.png,{k[0]},{k[-1]}\n" for k in keys))
    out = tmp_path / "out"
    first = run(folder, out, labels=str(labels), keep_columns="sku")
    assert by_name(first.components(), "label", "sku")["plum/7.png"] == ("p", "7")
    assert len(first.errors()) == 0, "the file of labels is no image"
    no_spark()
    labels.write_text(labels.read_text().replace("plum/7.png,p,7", "plum/7.png,prune,8"))
    again = run(folder, out, labels=str(labels), keep_columns="sku")
    assert by_name(again.components(), "label", "sku")["plum/7.png"] == ("prune", "8")
    assert by_name(again.features(), "label", "sku")["plum/7.png"] == ("prune", "8")
    assert again.record["counts"]["embedded"] == 0
    labels.write_text("file,class\n7.png,prune\n")
    with pytest.raises(ConfigError, match=r"7\.png in line 2 is the name of .*/apple/7\.png and"):
        run(folder, out, labels=str(labels))


def test_kept_columns_are_exported_recorded_and_erased(run: Run, folder, tmp_path):
    out = tmp_path / "out"
    run((), out, manifest=write(folder, *rows(folder)), keep_columns=KEPT)
    export(Output.at(out), tmp_path / "export", "csv", features=True)
    head = (tmp_path / "export/components.csv").read_text().splitlines()
    assert head[0].startswith('"path","label","sku","price","pc_1"')
    assert '"APPLE","000","0.5"' in head[1]
    told = record(Output.at(out), Statement(), {})
    assert told.stored["kept columns"].startswith("sku, price: ")
    path = str(folder / "apple/3.png")
    erase.erase(Output.at(out), [path])
    assert all(b"apple/3.png" not in file.read_bytes() for file in out.rglob("*.parquet"))
    left = Result.open(out)
    for table in (left.features(), left.components()):
        assert by_name(table, *KEPT)["apple/2.png"] == ("002", "2.5")
        assert len(table) == 7
    again = run((), out, manifest=str(folder / "list.csv"), keep_columns=KEPT)
    assert again.record["counts"]["suppressed"] == 1
    anew = run((), out, manifest=str(folder / "list.csv"), keep_columns="price", replace=True)
    for table in (anew.features(), anew.components(), anew.errors(), anew.gone()):
        assert "sku" not in table.column_names, "what is no longer kept is gone"
    assert by_name(anew.components(), "price")["apple/2.png"] == ("2.5",)


def test_run_takes_the_fields_of_a_config_and_a_dry_run_writes_nothing(spark, folder, tmp_path):
    settings = {"manifest": write(folder, *rows(folder)), "output": tmp_path / "~/out", "size": 32}
    result = orchard.run(reporter=silent(), dry_run=True, weights="fruit", **settings)
    assert result.record["counts"]["new"] == 8
    assert not (tmp_path / "~").exists()
    with pytest.raises(ConfigError, match="expected one of the two"):
        orchard.run()


def test_a_manifest_of_which_nothing_is_there_is_refused_before_spark(
    run: Run, folder, tmp_path, no_spark
):
    no_spark()
    place = write(tmp_path, *rows(folder))
    with pytest.raises(SourceError, match=r"none of the 8 images .* names is there; the first: "):
        run((), tmp_path / "out", manifest=place)
    assert not (tmp_path / "out").exists()
    assert run(folder, tmp_path / "out", manifest=place, dry_run=True).record["counts"]["new"] == 8


def test_keep_columns_need_a_table_and_a_manifest_takes_one_source() -> None:
    with pytest.raises(ConfigError, match="--keep-columns sku: expected with --manifest or"):
        RunConfig(sources="in", output="out", keep_columns="sku")
    with pytest.raises(ConfigError, match="SOURCE a b: with --manifest expected none, or the one"):
        RunConfig(sources=("a", "b"), output="out", manifest="list.csv")


def test_output_may_be_at_home_or_a_file_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    for given, root in (("~/out", "/home/somebody/out"), ("file:///my%20out", "/my out")):
        assert RunConfig(sources="in", output=given).output_root == root
        assert Output.at(given).root == root


@pytest.fixture
def server(photos: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setattr(web, "FIRST_PAUSE", 0.01)
    with serving() as started:
        for n in range(6):
            body = (photos / f"apple/{n}.png").read_bytes()
            tag = {"ETag": f'"{n}"'} if n < 3 else {}
            time = {"Last_Modified": "Wed, 21 Oct 2015 07:28:00 GMT"} if n == 3 else {}
            started.answers[f"/apple/{n}.png"] = content(body, **tag, **time)
        started.answers["/page.png"] = content(b"<html>no")
        yield started


def test_images_on_the_web_are_asked_for_once_and_then_only_whether_they_changed(
    run: Run, server: WebServer, photos: Path, tmp_path: Path
):
    names = [*(f"apple/{n}.png" for n in range(6)), "page.png", "none.png"]
    place = write(tmp_path, *(f"{server.url}/{name},x,{name},1" for name in names))
    settings = {"manifest": place, "keep_columns": "sku", "web_private": True, "web_rate": 500}
    settings["components"] = 2
    out = tmp_path / "out"
    first = run((), out, **settings)
    assert (server.n("GET"), server.n("HEAD")) == (8, 0)
    assert len(first.features()) == 6
    reasons = {row["sku"]: row["reason"] for row in first.errors().to_pylist()}
    assert reasons == {"page.png": "not_an_image", "none.png": "vanished"}
    keys = by_name(first.features(), "etag", "size")
    assert keys["apple/1.png"] == ("1", (photos / "apple/1.png").stat().st_size)
    server.asked.clear()
    again = run((), out, **settings)
    assert again.record["counts"]["already_there"] == 6
    assert (server.n("GET"), server.n("HEAD")) == (2, 6), "what failed is asked for again"
    server.asked.clear()
    other = (photos / "lemon/1.png").read_bytes()
    server.answers["/apple/1.png"] = content(other, ETag='"new"')
    server.answers["/apple/2.png"] = status(404)
    changed = run((), out, **settings)
    counts = changed.record["counts"]
    assert (counts["embedded"], counts["went"], counts["already_there"]) == (1, 1, 4)
    assert by_name(changed.gone(), "sku") == {"apple/2.png": ("apple/2.png",)}


def test_web_servers_of_this_network_are_not_asked_unless_allowed(run: Run, server, tmp_path):
    place = write(tmp_path, f"{server.url}/apple/0.png,x,1,1")
    with pytest.raises(orchard.OrchardError, match="all 1 images failed"):
        run((), tmp_path / "out", manifest=place)
    assert server.asked == []
    (row,) = Result(str(tmp_path / "out"), {}).errors().to_pylist()
    assert row["reason"] == "forbidden"
    assert "--web-private" in row["detail"]
