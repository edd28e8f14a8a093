"""Every setting out of range is named with its value, what was expected and the way out."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchard.cloud.settings import ClusterConfig
from orchard.config import RunConfig, parse_components
from orchard.errors import ConfigError
from orchard.training.settings import TrainConfig
from orchard.web.settings import ServeConfig


def config(**settings: Any) -> RunConfig:
    return RunConfig(**({"sources": ("photos",), "output": "result"} | settings))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"limit": 2.5}, "--limit 2.5: expected a whole number of at least 1"),
        ({"size": "big"}, "--size big: expected a whole number of pixels from 32 to 1024"),
        ({"sources": 5}, "SOURCE 5: expected a folder, a file, a glob or a URL, or several"),
        ({"max_errors": 0.05}, "--max-errors 0.05: expected a number of images such as 10, or a"),
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
            "--master mesos://x: expected local[*], local[N], spark://HOST:PORT, sc://HOST:PORT",
        ),
        ({"master": "local[x]"}, "--master local[x]: expected local[*], local[N]"),
        ({"master": "local[0]"}, "--master local[0]: expected local[*], local[N]"),
        ({"label": "(["}, "--label ([: not a regular expression: "),
        (
            {"label": r"\d+"},
            r"--label \d+: expected parent, none, column:NAME, or a regular expression with a "
            r"group, such as '/([^/]+)_\d+\.jpg$'",
        ),
        ({"label": "column:"}, "--label column:: expected the name of a column"),
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
        {"master": "sc://head:15002/;token=x"},
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


ACCEPTED = [
    *(("sources", given, ("a",)) for given in ("a", Path("a"), ["a"], np.array(["a"]), iter("a"))),
    ("sources", [Path("a"), "b"], ("a", "b")),
    ("output", Path("c"), "c"),
    ("include", "*.jpg", ("*.jpg",)),
    ("exclude", ["*.txt", "*.csv"], ("*.txt", "*.csv")),
    ("view", "zoom", ("zoom",)),
    ("weights", Path("my.onnx"), "my.onnx"),
    *(("size", given, 224) for given in (224, "224", 224.0, np.int64(224), np.uint8(224))),
    *(("limit", given, 3) for given in ("3", np.int32(3), np.array(3))),
    *(("components", given, 50) for given in (50, "50", np.int64(50))),
    *(("components", given, 0.95) for given in ("0.95", "95%", np.float64(0.95))),
    *(("max_errors", given, "5") for given in (5, "5", np.int64(5))),
    ("max_errors", "5 %", "5 %"),
    ("label", None, "none"),
    ("event_log", Path("log"), "log"),
    *(("report", given, False) for given in (False, np.False_, 0, "false", "no")),
]


@pytest.mark.parametrize(("name", "given", "taken"), ACCEPTED)
def test_what_people_pass_becomes_what_is_meant(name: str, given: Any, taken: Any) -> None:
    settings = config(**{name: given})
    found = getattr(settings, name)
    assert found == taken
    assert plain_types(found) == plain_types(taken), "records hold JSON"
    assert name in json.loads(json.dumps(dataclasses.asdict(settings)))


def plain_types(value: Any) -> Any:
    """The exact type of a value and of its members."""
    return (type(value), [type(v) for v in value]) if isinstance(value, tuple) else type(value)


def test_one_glob_is_no_row_of_letters() -> None:
    """By its letters, "*.jpg" would admit every file: one of them is a star."""
    assert config(include="*.jpg").include == config(include=("*.jpg",)).include == ("*.jpg",)


CLASSES: list[tuple[type[Any], dict[str, Any]]] = [
    (RunConfig, {"sources": ("photos",), "output": "result"}),
    (TrainConfig, {"output": "result"}),
    (ServeConfig, {"output": "result"}),
    (ClusterConfig, {"region": "eu-west-3", "backend": "ec2"}),
]
FIELDS = [
    pytest.param(kind, given, field, id=f"{kind.__name__}.{field.name}")
    for kind, given in CLASSES
    for field in dataclasses.fields(kind)
]
NO_SETTING = [object(), {"a": 1}, b"\xff", (None,), [object()], 1 + 2j, len, ValueError, math.nan]
NO_SETTING += [np.array([1.5, 2.5]), np.array([[1, 2], [3, 4]]), math.inf, -7, 2.5, True, None]


@pytest.mark.parametrize(("kind", "given", "field"), FIELDS)
def test_every_field_refuses_what_it_cannot_be_in_a_sentence(
    kind: type[Any], given: dict[str, Any], field: dataclasses.Field[Any]
) -> None:
    named = {"output": "OUTPUT"}
    named["sources"] = "SOURCE" if kind is RunConfig else "--source"
    option = named.get(field.name, "--" + field.name.replace("_", "-"))
    found = [(value, taken(kind, given, field.name, value)) for value in NO_SETTING]
    refused = [outcome for _, outcome in found if isinstance(outcome, ConfigError)]
    assert all(re.match(rf"{option} .*: expected .", str(e), re.DOTALL) for e in refused), refused
    for value, outcome in found:
        if not isinstance(outcome, ConfigError):  # 2.5 seconds, no limit, a switch that is on
            assert value is None or isinstance(value, bool | float)
            assert outcome == value or (field.name, outcome) == ("label", "none")
    assert len(refused) >= len(NO_SETTING) - 3


def taken(kind: type[Any], given: dict[str, Any], name: str, value: Any) -> Any:
    """What a field makes of a value; its ConfigError where it refuses it."""
    try:
        return getattr(kind(**given | {name: value}), name)
    except ConfigError as error:
        return error


@pytest.mark.parametrize(("kind", "given"), CLASSES)
def test_settings_are_plain_dataclasses(kind: type[Any], given: dict[str, Any]) -> None:
    settings = kind(**given)
    assert dataclasses.replace(settings) == settings == pickle.loads(pickle.dumps(settings))
    assert hash(settings) == hash(kind(**given))
    again = json.loads(json.dumps(dataclasses.asdict(settings)))
    assert kind(**again) == settings, "what a record holds is taken as it is"
    name = dataclasses.fields(kind)[-1].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(settings, name, None)


def test_settings_are_checked_without_pydantic_being_loaded_for_help() -> None:
    code = "import sys, orchard.config; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


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
