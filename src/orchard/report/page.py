"""Findings → one HTML file that needs no network: template, style, scripts and data in it.

Scripts run only if their hash stands in the page's content security policy, so that no name of a
folder can become one; data lies in elements that no browser executes, with "<" escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pyarrow as pa
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from orchard._version import __version__
from orchard.images import listing_checks
from orchard.report import neighbours, on_map, placing, summarise, wording
from orchard.report.bench import bench
from orchard.report.colours import palette
from orchard.report.encoding import Column
from orchard.report.filters import filters_of
from orchard.report.findings import GROUPS_SHOWN, Findings
from orchard.report.points import MAX_ON_MAP, OTHER, Images
from orchard.report.thumbnails import PER_SIDE

SCRIPTS = (
    *("language", "columns", "data", "bench", "sprites", "view", "nearby", "dots", "places"),
    *("overlay", "map", "roving", "saving", "decisions", "reasons", "images", "legend"),
    *("search", "groups", "charts", "filters", "selection", "lasso", "gallery", "link", "main"),
)
NEAREST_SHOWN = 8
EXACT_SHOWN = 20  # paths of a set of equal files
TITLE_NAMES, SOURCES_SHOWN = 3, 12  # a run may name each image as a source
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render(found: Findings) -> bytes:
    """The page, as UTF-8."""
    scripts, start = _scripts(), found.images.start
    colours = palette(found.images.labels, frozenset({"", OTHER}))
    filters = filters_of(found.images.rows.take(pa.array(found.placed.rows)))
    columns = on_map.columns_of(found, start, filters)
    map_data = _map_data(found, start, colours, columns)
    page = _environment().get_template("report.html.j2").render(
        found=found,
        policy=Markup(policy()),
        scripts=[Markup(script) for script in scripts],
        style=Markup(_text("templates/style.css") + _text("templates/bench.css")),
        data=Markup(script_json(map_data)),
        drawn=Markup(script_json({"variance": found.variance})),
        bench=Markup(script_json(bench(found, filters, _n_named(found, columns)))),
        words=Markup(script_json(_script_words())),
        columns={name: column.text for name, column in columns.items()},
        sheets=[_base64(sheet) for sheet in found.thumbnails.sheets],
        version=__version__,
        colours=colours,
        **_derived(found, start, columns),
    )  # fmt: skip
    return page.encode("utf-8", "backslashreplace")


@cache
def policy(pictures: str = "") -> str:
    """The page's content security policy. pictures: where, beside the page itself, they may be."""
    scripts = " ".join(_hash(script) for script in _scripts())
    images = f"{pictures} data: blob:".strip()
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; "
        f"img-src {images}; base-uri 'none'; form-action 'none'"
    )


def _hash(script: str) -> str:
    return f"'sha256-{_base64(hashlib.sha256(script.encode()).digest())}'"


def script_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in, nor trip an old parser."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "".join(_UNSAFE.get(character, character) for character in text)


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("orchard.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        t=wording.say,
        n=wording.number,
        shown=wording.shown,
        plain=wording.plain,
        Number=wording.Number,
        percent=wording.percent,
        seconds=wording.seconds,
        megabytes=wording.megabytes,
        picture=_picture,
    )
    return made


def _picture(data: bytes | None) -> str | None:
    return None if data is None else f"data:image/jpeg;base64,{_base64(data)}"


def _derived(found: Findings, start: str, columns: dict[str, Column]) -> dict[str, Any]:
    """What the template says besides the findings. start: of paths, which it leaves out."""
    images, placed, points = found.images, found.placed, found.placed.points
    sources = found.record.get("config", {}).get("sources", [])
    alike = listing_checks.alike(images.labels)
    return {
        "title": _title(sources),
        "sources": sources,
        "sources_shown": SOURCES_SHOWN,
        "counts": summarise.counts(found.record),
        "times": summarise.times(found.record),
        "other": OTHER,
        "limit": MAX_ON_MAP,
        "placed_by": placing.K,
        "n_pathless": len(found.placed.rows) - _n_named(found, columns),
        "agreement": agreement(found),
        "alike": listing_checks.spelled(alike),
        "n_alike": len(alike),
        "near_cosine": neighbours.NEAR_COSINE,
        "near_k": neighbours.NEAR_K,
        "unusual_k": neighbours.UNUSUAL_K,
        "dimensions": placed.components.shape[1],
        "isolation": placed.neighbours.isolation if placed.unusual else [],
        "near_pairs": [
            (int(points[a]), int(points[b]), float(cosine))
            for (a, b), cosine in zip(
                placed.near.pairs[:GROUPS_SHOWN],
                placed.near.cosines[:GROUPS_SHOWN],
                strict=True,
            )
        ],
        "groups_shown": GROUPS_SHOWN,
        "groups_listed": summarise.DUPLICATE_GROUPS,
        "point_of": on_map.number_of(found),
        "short": lambda path: path[len(start) :] if path.startswith(start) else path,
        "path_of": lambda row: images.rows["path"][int(row)].as_py(),
        "ratios": _ratios(images),
        "known_steps": {
            key[len("step_") :] for key in wording.strings() if key.startswith("step_")
        },
        "class_order": np.argsort(-found.classes.count, kind="stable").tolist(),
    }


def agreement(found: Findings) -> float | None:
    """Mean share of a point's 10 nearest images that carry its label; None with one label, and
    for clusters, which are made of neighbours."""
    codes = found.images.codes[found.placed.points]
    near = found.placed.neighbours.indices[:, : neighbours.UNUSUAL_K]
    if found.images.are_clusters or len(np.unique(codes)) < 2 or near.shape[1] == 0:
        return None
    return float((codes[near] == codes[:, None]).mean())


def _map_data(
    found: Findings,
    start: str,
    colours: list[tuple[str, str]],
    columns: dict[str, Column],
) -> dict[str, Any]:
    """`encoding` says what each is."""
    images, placed, points = found.images, found.placed, found.placed.points
    n_near = min(NEAREST_SHOWN, placed.neighbours.indices.shape[1])
    three = _three(placed.components)
    return {
        "n": len(points),
        "labels": images.labels,
        "other": OTHER,
        "areClusters": images.are_clusters,
        "colours": colours,
        "method": placed.embedding.method,
        "start": start,
        "paths": [path[len(start) :] for path in images.paths(points)],
        "label": _packed(images.codes[points], "<u2"),
        "xy": _packed(on_map.quantised(placed.embedding.xy, placed.embedding.xy), "<u2"),
        "xyz": _packed(on_map.quantised(three, three), "<u2"),
        "ratio": _packed(np.clip(_ratios(images)[points] * 1000, 1, 65535), "<u2"),
        "near": _packed(placed.neighbours.indices[:, :n_near], "<u2"),
        "nearCount": n_near,
        "tile": found.thumbnails.tile,
        "perSide": PER_SIDE,
        "place": _packed(found.thumbnails.place, "<i4"),
        "columns": {name: [c.kind, c.width, c.n] for name, c in columns.items()} or None,
        **_other_groups(found, start),
    }


def _n_named(found: Findings, columns: dict[str, Column]) -> int:
    """How many images on the map have their paths in the page: the first."""
    return len(found.placed.points) + (columns["lengths"].n if columns else 0)


def _other_groups(found: Findings, start: str) -> dict[str, Any]:
    """The duplicates that do not stand in the page itself, for a script to add.

    exact: sets of images, each its size and then its first images, as their number on the map, or
    as their path where they are not on it.
    """
    near, number_of = found.placed.near, on_map.number_of(found)
    others = slice(GROUPS_SHOWN, summarise.DUPLICATE_GROUPS)

    def told(row: int) -> int | str:
        if number_of[row] >= 0:
            return int(number_of[row])
        return str(found.images.rows["path"][row].as_py().removeprefix(start))

    return {
        "nearPairs": _packed(near.pairs[others], "<u2"),
        "nearCosines": _packed(np.round(near.cosines[others] * 10_000), "<u2"),
        "exact": [
            [len(group), *map(told, group[:EXACT_SHOWN])]
            for group in found.duplicates.groups[others]
        ],
    }


def _title(sources: list[str]) -> str:
    names = [source.rstrip("/").rpartition("/")[2] or source for source in sources]
    return ", ".join(names[:TITLE_NAMES]) + (" …" if len(names) > TITLE_NAMES else "")


def _ratios(images: Images) -> NDArray[np.float64]:
    """Width by height of each image."""
    width, height = (images.rows[name].to_numpy() for name in ("width", "height"))
    return np.asarray(width / height, np.float64)


def _three(components: NDArray[np.float32]) -> NDArray[np.float32]:
    padded = np.zeros((len(components), 3), np.float32)
    padded[:, : min(3, components.shape[1])] = components[:, :3]
    return padded


def _packed(values: NDArray[Any], kind: str) -> str:
    return _base64(np.ascontiguousarray(values).astype(kind).tobytes())


def _script_words() -> dict[str, dict[str, str]]:
    return {key: text for key, text in wording.strings().items() if key.startswith("js_")}


@cache
def _scripts() -> list[str]:
    return [_text("vendor/charts.min.js"), _script()]


def _script() -> str:
    parts = [_text(f"templates/js/{name}.js") for name in SCRIPTS]
    return '"use strict";\n(async () => {\n' + "\n".join(parts) + "\n})();\n"


def _text(path: str) -> str:
    text = files("orchard.report").joinpath(path).read_text(encoding="utf-8")
    assert "</script" not in text, path
    assert "\r" not in text, path  # a browser would read another text than was hashed
    return text


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
