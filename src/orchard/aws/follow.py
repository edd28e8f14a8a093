"""A distant run on this screen: its words as they come, and the bar that a local run has."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from orchard.aws.account import Account
from orchard.aws.backend import Backend
from orchard.aws.job import PROGRESS
from orchard.aws.launch import FAILED, SUCCEEDED, WAITING, Launch, State
from orchard.cloud.regions import bucket_of
from orchard.progress import Reporter
from orchard.storage import split

POLL_SECONDS = 5.0


def follow(
    account: Account,
    backend: Backend,
    launch: Launch,
    reporter: Reporter,
    pause: Callable[[float], None] = time.sleep,
) -> tuple[State, dict[str, Any]]:
    """Wait until a job has ended; its last state, and what it reported (see `orchard.aws.job`).

    Ctrl-C ends the watching and not the job, which ends by itself.
    """
    watcher = _Watcher(account, launch, reporter)
    state = backend.look(launch)
    while not state.is_final and not watcher.total:
        watcher.show(state)
        pause(POLL_SECONDS)
        watcher.read()
        state = backend.look(launch)
    if watcher.total and not state.is_final:
        with reporter.track(watcher.total, lambda: watcher.counts, lambda _: None):
            while not state.is_final:
                pause(POLL_SECONDS)
                watcher.read()
                state = backend.look(launch)
    watcher.read()
    return _last_word(state, watcher.told), watcher.told


def progress_of(account: Account, launch: Launch) -> dict[str, Any]:
    """What a job has reported so far; empty if it has not begun."""
    if launch.url is None:
        return {}
    s3 = account.client("s3")
    _, folder = split(launch.url)
    try:
        found = s3.get_object(Bucket=bucket_of(launch.url), Key=f"{folder}/{PROGRESS}")
    except s3.exceptions.NoSuchKey:
        return {}
    return dict(json.loads(found["Body"].read()))


class _Watcher:
    def __init__(self, account: Account, launch: Launch, reporter: Reporter) -> None:
        self._account, self._launch, self._reporter = account, launch, reporter
        self._shown, self._state = 0, ""
        self.told: dict[str, Any] = {}

    @property
    def total(self) -> int:
        return int(self.told.get("total", 0))

    @property
    def counts(self) -> tuple[int, int]:
        return int(self.told.get("done", 0)), int(self.told.get("errors", 0))

    def show(self, state: State) -> None:
        """The service's state, once each time it changes."""
        text = f"{state.name.lower()}{f': {state.detail}' if state.detail else ''}"
        if text != self._state and (state.phase == WAITING or not self.told):
            self._state = text
            self._reporter.say(f"{self._launch.id} is {text}")

    def read(self) -> None:
        self.told = progress_of(self._account, self._launch) or self.told
        events = self.told.get("events", ())
        for event in events[self._shown :]:
            self._reporter.say(event)
        self._shown = len(events)


def _last_word(state: State, told: dict[str, Any]) -> State:
    """The job's own account of its failure says more than the service's."""
    if state.phase == SUCCEEDED and told.get("phase") == FAILED:
        return State(FAILED, state.name, str(told.get("detail", "")))
    if state.phase == FAILED and told.get("phase") == FAILED:
        return State(FAILED, state.name, str(told.get("detail", state.detail)))
    return state
