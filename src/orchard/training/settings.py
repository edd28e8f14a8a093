"""The settings of a training: one frozen object, validated once, passed whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from orchard.errors import ConfigError
from orchard.settings import Expected, settle

KINDS = ("logistic", "svm", "forest")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """What `orchard train` does; every field is an option of the command line of the same name.

    - output: the OUTPUT of a run.
    - kind: one of KINDS, or "auto": all three are tried and the best is kept.
    - label: "fine" (the labels of the table) or "species" (what the taxonomy maps them to).
    - folds: of each split. seed: of folds, forests and made pictures.
    - group: a regular expression searched in an image's path; images whose first groups (or whole
      matches) are equal are of one object. None: guessed from the names, see `splits.object_of`.
    - engine: "local" (scikit-learn), "spark" (MLlib), or "auto": local while the components fit a
      driver.
    - master: Spark's, where it is used. weights: default what the run was given.
    - mistake_cost: of a wrong answer, where "not sure" costs 1.
    - gallery: how many known images are kept to show as nearest.
    - sources: read images for the page below these only; default what the result's runs record as
      their sources.
    - endpoint_url, region: of S3.

    Raises ConfigError where a value is of no such type or out of range.
    """

    output: Annotated[str, Expected("a folder or a URL", "OUTPUT")]
    kind: Literal["logistic", "svm", "forest", "auto"] = "auto"
    label: Literal["fine", "species"] = "fine"
    folds: Annotated[int, Ge(2)] = 5
    seed: Annotated[int, Ge(0)] = 0
    group: Annotated[str | None, Expected("a regular expression")] = None
    engine: Literal["auto", "local", "spark"] = "auto"
    master: str = "local[*]"
    weights: Annotated[str | None, Expected("a name or a path")] = None
    mistake_cost: Annotated[
        float, Gt(1), Expected("more than 1, which is what “not sure” costs")
    ] = 5.0
    gallery: Annotated[int, Ge(0)] = 5000
    sources: Annotated[tuple[str, ...], Expected("a folder or a URL, or several", "--source")] = ()
    endpoint_url: str | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        settle(self)
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
