"""Who waits for an answer, who has gone, and what then becomes of the work."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from orchard.web.app import again_and_again
from orchard.web.pool import Pool
from orchard.web.problems import Problem


async def stays() -> dict[str, Any]:
    """What a server hears of a client that waits."""
    await asyncio.Event().wait()
    raise AssertionError


def leaving_at(event: asyncio.Event) -> Receive:
    """What it hears of one that goes when the event is set."""

    async def receive() -> dict[str, Any]:
        await event.wait()
        return {"type": "http.disconnect"}

    return receive


def test_the_image_of_a_client_that_is_gone_is_not_worked_on() -> None:
    async def story() -> list[str]:
        pool, may_end, done = Pool(1, 5, 60), threading.Event(), []
        first = asyncio.create_task(pool.run(may_end.wait, stays))
        went = asyncio.Event()
        second = asyncio.create_task(pool.run(lambda: done.append("gone"), leaving_at(went)))
        third = asyncio.create_task(pool.run(lambda: done.append("here"), stays))
        await asyncio.sleep(0)
        went.set()
        with pytest.raises(ClientDisconnect):
            await second
        assert pool.n_inside == 2  # its place is free at once
        may_end.set()
        await asyncio.gather(first, third)
        pool.close()
        return done

    assert asyncio.run(story()) == ["here"]


def test_an_answer_that_takes_too_long_is_waited_for_no_more() -> None:
    async def story() -> None:
        pool, may_end = Pool(1, 0, 0.01), threading.Event()
        with pytest.raises(Problem, match="took too long"):
            await pool.run(may_end.wait, stays)
        may_end.set()
        pool.close()

    asyncio.run(story())


@pytest.mark.parametrize("why", ["the client goes", "the server stops"])
def test_what_had_begun_is_undone_where_nobody_can_be_told(why: str) -> None:
    async def story() -> list[str]:
        pool, may_end, begun, undone = Pool(1, 5, 60), threading.Event(), asyncio.Event(), []
        loop = asyncio.get_running_loop()

        def work() -> str:
            loop.call_soon_threadsafe(begun.set)
            may_end.wait()
            return "stored"

        receive = leaving_at(begun) if why == "the client goes" else stays
        asked = asyncio.create_task(pool.run(work, receive, undo=undone.append))
        await begun.wait()
        if why == "the server stops":
            asked.cancel()
        with pytest.raises((ClientDisconnect, asyncio.CancelledError)):
            await asked
        assert undone == []
        may_end.set()
        await asyncio.to_thread(pool.close)
        return undone

    assert asyncio.run(story()) == ["stored"]


def test_what_was_told_is_not_undone() -> None:
    async def story() -> None:
        pool, undone = Pool(1, 0, 60), []
        result, waited = await pool.run(lambda: "stored", stays, undo=undone.append)
        pool.close()
        assert (result, undone) == ("stored", [])
        assert waited >= 0

    asyncio.run(story())


def test_a_chore_that_fails_is_done_again() -> None:
    async def story() -> int:
        times, enough = [], asyncio.Event()
        loop = asyncio.get_running_loop()

        def chore() -> None:
            times.append(1)
            if len(times) == 3:
                loop.call_soon_threadsafe(enough.set)
            raise OSError("the bucket is out of reach")

        repeating = asyncio.create_task(again_and_again("reach it", 0, chore))
        await enough.wait()
        repeating.cancel()
        await asyncio.gather(repeating, return_exceptions=True)
        return len(times)

    assert asyncio.run(story()) >= 3
