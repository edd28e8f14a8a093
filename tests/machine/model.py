"""What Orchard's tables should hold, as plain dictionaries.

A path is an image's full path. The rules in one sentence: after a run the features are of what is
at the source and may be read, with today's labels; what is not there any more is in `gone`, as it
was; what cannot be read is in `errors`; and what a run was not asked about stays as it is.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

SECOND_LETTER = r"/([a-z])[a-z]*/[^/]*$"


class Content(NamedTuple):
    """An image's bytes, by their hash, and whether they can be read as an image."""

    sha256: str
    is_image: bool


class Row(NamedTuple):
    label: str | None
    sha256: str


@dataclass(frozen=True)
class Settings:
    """Those of a run that change its tables. exclude: a folder of the source. single: an image that
    is named as a source of its own."""

    label: str = "parent"
    exclude: str | None = None
    components: str = "3"
    single: str | None = None

    def label_of(self, path: str) -> str | None:
        if self.label == "none":
            return None
        if self.label == "parent":
            return path.split("/")[-2]
        found = re.search(self.label, path)
        return found[1] if found else None

    def asks_for(self, path: str) -> bool:
        return self.exclude is None or path.split("/")[-2] != self.exclude


@dataclass
class Tables:
    """The rows that a result holds, by path."""

    features: dict[str, Row] = field(default_factory=dict)
    components: dict[str, str | None] = field(default_factory=dict)
    errors: dict[str, str | None] = field(default_factory=dict)
    gone: dict[str, Row] = field(default_factory=dict)

    def known(self) -> set[str]:
        return {*self.features, *self.components, *self.errors, *self.gone}

    def after_run(
        self, source: dict[str, Content], suppressed: set[str], settings: Settings
    ) -> Tables:
        """The tables once a run has come to its end."""
        listed = {
            path: content
            for path, content in source.items()
            if settings.asks_for(path) and path not in suppressed
        }
        new = Tables()
        for path, content in listed.items():
            label = settings.label_of(path)
            if content.is_image:
                new.features[path] = Row(label, content.sha256)
            else:
                new.errors[path] = label
        for path, row in self.gone.items():
            if path not in listed and path not in self.features:
                asked = settings.asks_for(path)
                new.gone[path] = row._replace(label=settings.label_of(path)) if asked else row
        for path, row in self.features.items():
            if path not in listed:
                if settings.asks_for(path):
                    new.gone[path] = row._replace(label=settings.label_of(path))
                else:
                    new.features[path] = row
        for path, label in self.errors.items():
            if path not in listed and not settings.asks_for(path):
                new.errors[path] = label
        new.components = {path: row.label for path, row in new.features.items()}
        return new

    def without(self, paths: set[str]) -> Tables:
        def kept(rows: dict) -> dict:
            return {path: row for path, row in rows.items() if path not in paths}

        return Tables(*(kept(rows) for rows in vars(self).values()))

    def is_between(self, old: Tables, new: Tables) -> list[str]:
        """Which tables are neither as they were nor as they should have become; none is right.

        Each table is changed in one transaction; only `gone` may hold rows of both, since a row is
        in two tables before it leaves the one.
        """
        wrong = [
            name
            for name in ("features", "components", "errors")
            if getattr(self, name) not in (getattr(old, name), getattr(new, name))
        ]
        both = [*old.gone.items(), *new.gone.items()]
        lost = (old.gone.keys() & new.gone.keys()) - self.gone.keys()
        if lost or any(item not in both for item in self.gone.items()):
            wrong.append("gone")
        held = {*self.features, *self.gone}
        if missing := ({*old.features, *old.gone} & {*new.features, *new.gone}) - held:
            wrong.append(f"rows that are nowhere: {sorted(missing)}")
        return wrong


@dataclass
class Model:
    """source: what is there to be read. suppressed: paths that runs leave out. erased: paths of
    which nothing may be found any more. named: paths that a run's record names as sources."""

    source: dict[str, Content] = field(default_factory=dict)
    tables: Tables = field(default_factory=Tables)
    suppressed: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    is_result: bool = False
    has_features: bool = False
    is_settled: bool = False

    def readable(self) -> set[str]:
        return {
            path
            for path, content in self.source.items()
            if content.is_image and path not in self.suppressed
        }

    def copy(self) -> Model:
        return deepcopy(self)
