"""The settings of a training: one frozen object, validated once, passed whole."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from orchard.errors import ConfigError

KINDS = ("logistic", "svm", "forest")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """What `orchard train` does; every field is an option of the command line of the same name.

    - output: the OUTPUT of a run.
    - kind: one of KINDS, or "auto": all three are tried and the best is kept.
    - label: "fine" (the labels of the table) or "species" (what the taxonomy maps them to).
    - folds: of each split. seed: of folds, forests and made pictures.
    - group: a regular expression searched in an image's path; images whose first groups (or whole
      matches) are equal are of one object. None: told from the names, see `splits.object_of`.
    - engine: "local" (scikit-learn), "spark" (MLlib), or "auto": local while the components fit a
      driver.
    - master: Spark's, where it is used. weights: default what the run was given.
    - mistake_cost: of a wrong answer, where "not sure" costs 1.
    - gallery: how many known images are kept to show as nearest.
    - sources: read images for the page below these only; default what the result's runs record as
      their sources.
    - endpoint_url, region: of S3.

    Raises ConfigError where a value is out of range.
    """

    output: str
    kind: str = "auto"
    label: str = "fine"
    folds: int = 5
    seed: int = 0
    group: str | None = None
    engine: str = "auto"
    master: str = "local[*]"
    weights: str | None = None
    mistake_cost: float = 5.0
    gallery: int = 5000
    sources: tuple[str, ...] = ()
    endpoint_url: str | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", os.fspath(self.output))
        _one_of("--kind", self.kind, (*KINDS, "auto"))
        _one_of("--label", self.label, ("fine", "species"))
        _one_of("--engine", self.engine, ("auto", "local", "spark"))
        for option, value, least in (
            ("--folds", self.folds, 2),
            ("--seed", self.seed, 0),
            ("--gallery", self.gallery, 0),
        ):
            if value < least:
                raise ConfigError(f"{option} {value}: expected a whole number of at least {least}")
        if not self.mistake_cost > 1:
            raise ConfigError(
                f"--mistake-cost {self.mistake_cost:g}: expected more than 1, which is what "
                "“not sure” costs"
            )
        _ = self.group_pattern

    @property
    def group_pattern(self) -> re.Pattern[str] | None:
        if self.group is None:
            return None
        try:
            return re.compile(self.group)
        except re.error as error:
            raise ConfigError(f"--group {self.group}: not a regular expression: {error}") from None

    @property
    def kinds(self) -> tuple[str, ...]:
        return KINDS if self.kind == "auto" else (self.kind,)


def _one_of(option: str, value: str, expected: tuple[str, ...]) -> None:
    if value not in expected:
        raise ConfigError(
            f"{option} {value}: expected {', '.join(expected[:-1])} or {expected[-1]}"
        )
