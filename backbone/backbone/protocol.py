"""Which files a backbone may see, by the protocol that its figures are for.

Every rule reads a file's place alone (folder and name), so that the trainer, the bank of the
teacher's answers and the evaluation cannot disagree on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Four varieties a species, whole folders, with every numbered folder of a variety beside it.
UNSEEN_VARIETIES = {
    "apple": (
        "Apple Braeburn 1",
        "Apple Golden 1",
        "Apple Golden 2",
        "Apple Golden 3",
        "Apple Pink Lady 1",
        "Apple Red Delicious 1",
    ),
    "cherry": ("Cherry Rainier 1", "Cherry Wax Black 1", "Cherry Wax Yellow 1"),
    "pear": ("Pear Abate 1", "Pear Forelle 1", "Pear Kaiser 1", "Pear Williams 1"),
    "tomato": ("Tomato Cherry Red 1", "Tomato Heart 1", "Tomato Maroon 1", "Tomato Yellow 1"),
}
_LEFT_OUT = {folder for folders in UNSEEN_VARIETIES.values() for folder in folders}
_OTHER_AXIS = re.compile(r"r\d*_?\d*_\d+\.jpe?g$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Protocol:
    """validation, other_axis, varieties: what is held out of the backbone's training."""

    validation: bool = False
    other_axis: bool = False
    varieties: bool = False

    def sees(self, path: str) -> bool:
        """Whether the backbone may be shown the photo at `path`, "folder/name"."""
        return not (
            (self.validation and is_validation(path))
            or (self.other_axis and is_other_axis(path))
            or (self.varieties and is_unseen_variety(path))
        )


PROTOCOLS = {
    "grocery": Protocol(validation=True),
    "axis": Protocol(other_axis=True),
    "varieties": Protocol(varieties=True),
    "held-out": Protocol(validation=True, other_axis=True, varieties=True),
    "all": Protocol(),
}


def is_validation(path: str) -> bool:
    """`Kiwi/val-Kiwi_001.jpg`"""
    return _name(path).startswith("val-")


def is_other_axis(path: str) -> bool:
    """`Kiwi 1/r2_12_100.jpg`: a frame of another turn of the table than the first."""
    return _OTHER_AXIS.match(_name(path)) is not None


def is_unseen_variety(path: str) -> bool:
    return _folder(path) in _LEFT_OUT


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _folder(path: str) -> str:
    return path.rsplit("/", 2)[-2]
