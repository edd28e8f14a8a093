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
    └── ClassifierError        10   no classifier can be trained, or loaded as it was stored

A message gives the value, what was expected and the way out. An image that cannot be read is not an
error in this sense: it is a row of the errors table (see `orchard.records.Failure`).
"""

from __future__ import annotations


class OrchardError(Exception):
    """Base of all errors that a user can act on."""

    exit_code = 1


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
