"""A run that is sent away: its description as JSON, and what executes it under `spark-submit`.

The description lies beside the code in the bucket; so does what the run tells while it works, as
one small object that whoever follows it reads. Nothing in here is peculiar to AWS: description and
progress may lie in any folder or bucket that Orchard can open.

    spark-submit --archives code.zip#orchard-code … main.py s3://bucket/jobs/ID
"""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from orchard.config import RunConfig
from orchard.errors import OrchardError
from orchard.progress import Done, Reporter, Terminal
from orchard.storage import Storage
from orchard.store.output import Output

DESCRIPTION, PROGRESS, WEIGHTS = "job.json", "progress.json", "weights"
TOLD_SECONDS = 3.0  # between two writings of the progress
MAIN = """import sys

from orchard.aws.job import execute

sys.exit(execute(*sys.argv[1:]))
"""


def describe(config: RunConfig) -> dict[str, Any]:
    """`config` as JSON, for a session that spark-submit makes."""
    return asdict(replace(config, master="submitted", event_log=None))


def execute(url: str, part: str | None = None) -> int:
    """Do the run whose description lies in the folder `url`; its exit code.

    Its progress, its warnings and how it ended are written to the same folder; below it, to the
    folder `part`, where one description serves several runs.
    """
    place = Output.at(url, Storage())
    reporter = JobReporter(Output.at(f"{url}/{part}", Storage()) if part else place)
    try:
        from orchard.pipeline import run

        result = run(_described(place), reporter)
    except OrchardError as error:
        reporter.end("failed", str(error), error.exit_code)
        return error.exit_code
    except BaseException as error:
        traceback.print_exc()
        reporter.end("failed", f"{type(error).__name__}: {error}", 1)
        raise
    reporter.end("succeeded", json.dumps(result.record["counts"]), 0, result.record)
    return 0


def _described(place: Output) -> RunConfig:
    """The run whose description lies in a folder, its weights fetched."""
    description = place.get_json(DESCRIPTION)
    fields = description["run"]
    for name in ("sources", "include", "exclude"):
        fields[name] = tuple(fields[name])
    if description.get("weights"):
        fields["weights"] = _fetch_weights(place, description["weights"])
    return RunConfig(**fields)


def _fetch_weights(place: Output, networks: list[dict[str, str]]) -> str:
    """Put the networks that came along where `--weights` finds them; its value for RunConfig."""
    import os

    folder = Path(mkdtemp(prefix="orchard-weights-"))
    os.environ["ORCHARD_CACHE"] = str(folder)
    names = []
    for one in networks:
        if one["file"]:
            path = folder / one["file"]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(place.get(f"{WEIGHTS}/{one['file']}"))
        names.append(one["name"] or str(folder / one["file"]))
    return ",".join(names)


class JobReporter(Reporter):
    """Writes its messages to standard error, as usual, and into a folder that others read."""

    def __init__(self, place: Output) -> None:
        super().__init__(Terminal(stderr=True, force_terminal=False, width=120))
        self._place = place
        self._lock = threading.Lock()
        self._told = 0.0
        self.state: dict[str, Any] = {
            "phase": "running",
            "events": [],
            "done": 0,
            "errors": 0,
            "total": 0,
        }

    def say(self, text: str) -> None:
        super().say(text)
        self._event(text)

    def warn(self, text: str) -> None:
        super().warn(text)
        self._event(f"warning: {text}")

    @contextmanager
    def track(
        self, total: int, done: Done, check: Callable[[int], None], doing: str = "embedding"
    ) -> Iterator[None]:
        self.state["total"] = total

        def looked() -> tuple[int, int]:
            self.state["done"], self.state["errors"] = found = done()
            self._tell()
            return found

        with super().track(total, looked, check, doing):
            yield
        self._tell(now=True)

    def end(self, phase: str, detail: str, code: int, record: dict[str, Any] | None = None) -> None:
        """The last word: how the run ended; for the log too, should the folder be out of reach."""
        if phase == "failed":
            Reporter.warn(self, detail)
        self.state |= {"phase": phase, "detail": detail, "exit_code": code, "record": record}
        self._tell(now=True)

    def _event(self, text: str) -> None:
        self.state["events"].append(text)
        self._tell(now=True)

    def _tell(self, now: bool = False) -> None:
        with self._lock:
            if now or time.monotonic() - self._told >= TOLD_SECONDS:
                self._told = time.monotonic()
                try:
                    self._place.put_json(PROGRESS, self.state)
                except OrchardError as error:  # a run continues if its progress cannot be written
                    super().warn(str(error))
