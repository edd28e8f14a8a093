"""What a launch used, and the wait until AWS knows: it tells the hours minutes after the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from orchard.aws.words import bill_table
from orchard.cloud.estimate import Item
from orchard.progress import Reporter

if TYPE_CHECKING:
    from orchard.aws.backend import Backend
    from orchard.aws.launch import Launch

WAIT_MINUTES, LOOK_SECONDS = 5, 15.0


@dataclass(frozen=True, slots=True)
class Used:
    """items: in USD, low equals high where the hours are known; empty where nothing is known.

    is_final: whether they are what AWS bills; False as long as it may tell more.
    note: what a reader has to know about them; empty where there is nothing to add.
    """

    items: tuple[Item, ...] = ()
    is_final: bool = True
    note: str = ""


NOT_TOLD = Used(is_final=False, note="AWS has not reported the hours yet")


def wait_for(
    backend: Backend,
    launch: Launch,
    reporter: Reporter,
    pause: Callable[[float], None] = time.sleep,
) -> Used:
    """What an ended launch used, as soon as AWS bills it; after five minutes what is known then.

    Ctrl-C ends the waiting and nothing else.
    """
    used = backend.used(launch)
    try:
        for look in range(int(WAIT_MINUTES * 60 / LOOK_SECONDS)):
            if used.is_final:
                break
            if look % 4 == 0:
                left = WAIT_MINUTES - look // 4
                reporter.say(
                    f"waiting for AWS to bill the hours, for {left} minutes at most; Ctrl-C shows "
                    "what is known now"
                )
            pause(LOOK_SECONDS)
            used = backend.used(launch)
    except KeyboardInterrupt:
        pass
    return used


def shown(title: str, used: Used, eur_per_usd: float, launch_id: str) -> Iterable[Table | str]:
    """For a terminal: a table where something is known, and a sentence where it is not all."""
    if used.items:
        yield bill_table(title, used.items, eur_per_usd)
    if used.note:
        later = "" if used.is_final else f"; `orchard cluster status {launch_id}` asks again"
        yield f"{used.note}{later}."
