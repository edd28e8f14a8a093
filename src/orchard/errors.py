"""Every error Orchard raises on purpose, and the exit code the command line gives it.

    OrchardError                1
    ├── ConfigError             2   a setting is wrong
    ├── SourceError             3   there is nothing to read, or it cannot be reached
    ├── WeightsError            4   the network's weights are missing or not what they should be
    ├── TableError              5   OUTPUT cannot be read, written or mixed with this run
    │   └── DamagedError        5   a file of OUTPUT is not as it was stored
    ├── ReductionError          6   the features admit no such PCA
    ├── TooManyErrors           7   more images failed than --max-errors allows
    ├── CountsError             8   listed ≠ embedded + already there + errors
    ├── ResultsDiffer           9   `orchard compare` found two results unequal
    ├── ClassifierError        10   no classifier can be trained, or loaded as it was stored
    └── PathsUnknown           11   erase, readmit: some paths matched nothing; the others are done

A message gives the value, what was expected and the way out. An image that cannot be read is not an
error in this sense: it is a row of the errors table (see `orchard.records.Failure`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchard.printable import printable


class OrchardError(Exception):
    """Base of all errors that a user can act on."""

    exit_code = 1

    def __str__(self) -> str:
        """One line, in which names from files do no harm."""
        return printable(super().__str__())


class ConfigError(OrchardError):
    exit_code = 2


class SourceError(OrchardError):
    exit_code = 3


class WeightsError(OrchardError):
    exit_code = 4


class TableError(OrchardError):
    exit_code = 5


class DamagedError(TableError):
    pass


class ReductionError(OrchardError):
    exit_code = 6


class TooManyErrors(OrchardError):
    exit_code = 7


class CountsError(OrchardError):
    exit_code = 8


class ResultsDiffer(OrchardError):
    exit_code = 9


class ClassifierError(OrchardError):
    exit_code = 10


class PathsUnknown(OrchardError):
    exit_code = 11


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Around imports of libraries that the plain install leaves out.

    extra: the name under [project.optional-dependencies]. what: the command or setting that needs
    it, as the user wrote it. Raises ConfigError, which names both, if a library is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "orchard":
            raise
        raise ConfigError(
            f"{what} needs {error.name}: pip install 'orchard-images[{extra}]'"
        ) from None


def one_line(error: Exception) -> str:
    """All that an error says, on one line, cut at 300 characters."""
    return " ".join(str(error).split())[:300]


def first_line(error: BaseException) -> str:
    """The line of a client's error that says most, the first of many that nest around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else repr(error)
