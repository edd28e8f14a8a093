"""What a container holds, whatever kind it is of: its members, and why some are none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from orchard.images.containers import names
from orchard.records import Failure, Reason

RATIO, RATIO_BYTES = 200, 64 * 1024 * 1024  # what expands so far beyond this is a bomb
NESTED = Failure(
    Reason.UNSUPPORTED, "an archive inside an archive, which is not looked into: unpack it"
)
DUPLICATE = Failure(
    Reason.DUPLICATE, "a later member has the same name, and is the one that is read"
)
BOMB = Failure(Reason.TOO_COSTLY, f"would expand more than {RATIO}-fold: it was not unpacked")
CUT = Failure(
    Reason.TRUNCATED, "the archive ends before its end mark; members up to there are read"
)


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive. modified: microseconds since 1970.

    key: what tells its content from another one of its name, None where only the archive's own
    version can. offset, span: where it begins, and how many bytes of the archive are read for it.
    detail: how it is packed, by kind. data: its content, where that tells labels.
    """

    name: str
    size: int
    modified: int
    key: str | None
    offset: int
    span: int
    detail: int = 0
    failure: Failure | None = None
    data: bytes | None = None


Row = tuple[str, str | None, Member]  # name, label where the container says one, member


@dataclass(frozen=True, slots=True)
class Known:
    """What a container holds, and what is wrong with it. is_cheap: it was not read for this from
    end to end."""

    rows: list[Row]
    failure: Failure | None
    is_cheap: bool = False


@dataclass(slots=True)
class Contents:
    """members: of a container, in its order. failure: of the container, or of a part of it.
    is_indexed: one place of the container tells all."""

    members: list[Member] = field(default_factory=list)
    failure: Failure | None = None
    is_indexed: bool = False

    def rows(self) -> Iterator[tuple[str, Member]]:
        """Those that count, each under a name that no other has."""
        kept = [member for member in self.members if not names.is_hidden(member.name)]
        whole = names.distinct(member.name for member in kept)
        yield from zip(whole, kept, strict=True)


def refused(name: str) -> tuple[str, Failure | None]:
    """A member's name as it is kept, and why it cannot be an image, by the name alone."""
    clean = names.cleaned(name)
    if isinstance(clean, Failure):
        return names.shown(name), clean
    return clean, NESTED if names.is_nested(clean) else None
