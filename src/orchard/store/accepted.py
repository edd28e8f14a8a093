"""Photos that people gave and somebody accepted: a SOURCE for the next run, by label.

    accepted/<label>/<giver>-<name>.jpg    the photo, as it was given

giver: equal for photos of one person, so that a training never has them on both sides of a split.
name: that of the photo's record, see `orchard.store.contributions`. What a run has read of a photo
leaves the tables with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from orchard.errors import ConfigError, TableError
from orchard.store.erase import erase
from orchard.store.known import paths_named
from orchard.store.output import Output

FOLDER = "accepted"
NOBODY = "0" * 16  # the giver of photos whose sender said nothing: one person, to be safe
_FILE = re.compile(rf"(?:.*/)?{FOLDER}/[^/]+/([0-9a-f]{{16}})-([0-9a-f]{{32}})\.jpg")
_LABEL = re.compile(r"(?!_)\w(?:[\w .,'()&+-]{0,78}[\w)])?")


def giver_of(path: str) -> str | None:
    """Who gave the photo at a path, as in the tables; None where it is no accepted photo."""
    found = _FILE.fullmatch(path)
    return found[1] if found else None


def name_of(path: str) -> str | None:
    """The name of an accepted photo's record; None where it is no accepted photo."""
    found = _FILE.fullmatch(path)
    return found[2] if found else None


def place(label: str, giver: str | None, name: str) -> str:
    """Where an accepted photo lies. Raises ConfigError where a label cannot name a folder."""
    if not _LABEL.fullmatch(label):
        raise ConfigError(
            f"label {label!r}: expected at most 80 letters, digits, spaces and .,'()&+-, with a "
            "letter or digit first"
        )
    return f"{FOLDER}/{label}/{giver or NOBODY}-{name}.jpg"


def forget(output: Output, files: Collection[str]) -> None:
    """Erase what runs have read of photos. files: their places.

    Raises TableError, also while another process writes to OUTPUT.
    """
    names = [file.rpartition("/")[2] for file in files]
    if paths := paths_named(output, names):
        done = erase(output, paths)
        if done.remaining:
            raise TableError("; ".join(done.remaining))
