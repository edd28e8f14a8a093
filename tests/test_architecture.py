"""ARCHITECTURE.md names every room of the house, on the floor that import-linter holds it to."""

from __future__ import annotations

import re
import tomllib
from pkgutil import iter_modules

import orchard
from tests.conftest import ROOT

PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
HOUSE = PAGE.partition("## The house")[2].partition("## Rules")[0]


def test_every_package_and_module_is_named_once_and_no_other() -> None:
    rooms = {module.name for module in iter_modules(orchard.__path__)}
    named = re.findall(r"^\| `(\w+)` \|", HOUSE, re.MULTILINE)
    assert sorted(named) == sorted(rooms)


def test_the_floors_are_those_of_the_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    drawn = re.search(r"```text\n(.*?)```", HOUSE, re.DOTALL)
    assert drawn is not None
    assert drawn[1].splitlines() == layers
