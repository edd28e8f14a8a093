"""Every setting out of range is named with its value, what was expected and the way out."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import pytest

from orchard.config import RunConfig, parse_components
from orchard.errors import ConfigError


def config(**settings: Any) -> RunConfig:
    return RunConfig(**({"sources": ("photos",), "output": "result"} | settings))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"sources": "photos"}, "sources='photos': expected a tuple of paths, such as ('photos',)"),
        ({"sources": ()}, "no SOURCE given: expected at least one folder, file or glob"),
        ({"sources": ("photos", "")}, "an empty SOURCE or OUTPUT: expected a folder, or . for"),
        ({"output": ""}, "an empty SOURCE or OUTPUT: expected a folder, or . for this one"),
        (
            {"size": 31},
            "--size 31: expected a whole number of pixels from 32 to 1024; the network was "
            "trained at 224",
        ),
        ({"size": 1025}, "--size 1025: expected a whole number of pixels from 32 to 1024"),
        ({"components": 0}, "--components 0: expected a whole number of at least 1 or a fraction"),
        ({"components": 1.0}, "--components 1.0: expected a whole number of at least 1 or a"),
        ({"components": True}, "--components True: expected a whole number of at least 1"),
        ({"limit": 0}, "--limit 0: expected a whole number of at least 1"),
        (
            {"master": "mesos://x"},
            "--master mesos://x: expected local[*], local[N], spark://HOST:PORT or yarn",
        ),
        ({"master": "local[x]"}, "--master local[x]: expected local[*], local[N]"),
        ({"master": "local[0]"}, "--master local[0]: expected local[*], local[N]"),
        ({"label": "(["}, "--label ([: not a regular expression: "),
        (
            {"label": r"\d+"},
            r"--label \d+: expected parent, none, or a regular expression with a group, such as "
            r"'/([^/]+)_\d+\.jpg$'",
        ),
        (
            {"max_errors": "few"},
            "--max-errors few: expected a number of images such as 10, or a share such as 5%",
        ),
        ({"max_errors": "101%"}, "--max-errors 101%: expected a number of images such as 10"),
        ({"max_errors": "-1"}, "--max-errors -1: expected a number of images such as 10"),
    ],
)
def test_a_setting_out_of_range_is_named(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}"):
        config(**settings)


@pytest.mark.parametrize("name", ["a%20b", "a%2Fb", "a\nb", "a\\b", os.fsdecode(b"caf\xe9")])
def test_a_folder_that_delta_tables_cannot_live_in_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        f"OUTPUT {str(tmp_path / name / 'out')!r}: Delta tables cannot live in a folder whose path "
        "holds a percent escape, a backslash, a control character or bytes that are not UTF-8; "
        "choose another"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        config(output=tmp_path / name / "out")
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        config(output="out")


@pytest.mark.parametrize(
    "settings",
    [
        {"size": 32},
        {"size": 1024},
        {"components": 1},
        {"components": 0.001},
        {"limit": 1},
        *({"master": m} for m in ("local", "local[2]", "local[*]", "spark://head:7077", "yarn")),
        {"label": "none"},
        {"label": "(x)"},
        {"max_errors": "0"},
        {"max_errors": "0.5 %"},
        {"output": "Fotos für 50% 'mehr' #1?"},
    ],
)
def test_a_setting_in_range_is_taken(settings: dict[str, Any]) -> None:
    taken = config(**settings)
    assert {name: getattr(taken, name) for name in settings} == settings


def test_paths_may_be_path_objects_and_end_as_text() -> None:
    taken = RunConfig(sources=[Path("a"), "b"], output=Path("c"))  # type: ignore[arg-type, list-item]
    assert (taken.sources, taken.output) == (("a", "b"), "c")


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        config().size = 64  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "value"), [("50", 50), ("1", 1), ("0.95", 0.95), ("95%", 0.95), (".5", 0.5)]
)
def test_components_are_a_number_or_a_share(text: str, value: float) -> None:
    parsed = parse_components(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "text", ["1.0", "0", "abc", "-3", "100%", "0%", "1.5", "nan", "inf", "", "%", "1e3", "²"]
)
def test_other_components_are_named_as_they_were_written(text: str) -> None:
    expected = (
        f"--components {text}: expected a whole number of at least 1 or a fraction in (0, 1); for "
        "95 % of the variance write 0.95"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
        parse_components(text)


@pytest.mark.parametrize(
    ("max_errors", "n_images", "allowed"),
    [
        ("0", 100, 0),
        ("12", 100, 12),
        ("12", 5, 12),
        ("5%", 100, 5),
        ("5%", 19, 0),
        ("2.5 %", 1000, 25),
        ("0%", 10, 0),
        ("100%", 7, 7),
    ],
)
def test_allowed_errors_are_a_number_or_a_share_rounded_down(
    max_errors: str, n_images: int, allowed: int
) -> None:
    assert config(max_errors=max_errors).allowed_errors(n_images) == allowed
