"""Spark jobs of our own: run, cancelled and their errors translated, beside whatever else runs.

Each action carries a job tag that nothing else has, so that cancelling it ends no other job, and it
runs in a thread of its own, so that the caller's job group, description and other local properties
stay as they are. It inherits them: the caller's scheduler pool is used, and cancelling the caller's
job group ends Orchard's jobs too.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from orchard import errors
from orchard.errors import OrchardError

if TYPE_CHECKING:
    from pyspark import SparkContext

T = TypeVar("T")

CANCEL_SECONDS = 0.2  # between two attempts: a job that is not yet submitted cannot be cancelled


def new_tag() -> str:
    return f"orchard-{secrets.token_hex(8)}"


def run_action(context: SparkContext, action: Callable[[], T], tag: str | None = None) -> T:
    """Run a Spark action so that Ctrl-C cancels it, and what a worker raised comes back as it was.

    The action runs in a thread of its own: interrupted in its own thread, Py4J's connection breaks,
    and the jobs could not be cancelled over it. tag: of its jobs, for callers that want
    to cancel them with `SparkContext.cancelJobsWithTag`; default one of its own.
    """
    tag = tag or new_tag()
    tagged = _inheriting(context)(partial(_tagged, context, action, tag))
    with ThreadPoolExecutor(1) as pool, translated_errors():
        running = pool.submit(tagged)
        try:
            return running.result()
        except KeyboardInterrupt:
            _cancel(context, running, tag)
            raise


def _inheriting(context: SparkContext) -> Callable[[Callable[[], T]], Callable[[], T]]:
    """What hands on this thread's local properties, and from Spark 4 on a session's tags."""
    import pyspark
    from pyspark.sql import SparkSession
    from pyspark.util import inheritable_thread_target

    if pyspark.__version__ < "4":
        return inheritable_thread_target
    session = SparkSession.getActiveSession() or SparkSession(context)
    return inheritable_thread_target(session)


def _tagged(context: SparkContext, action: Callable[[], T], tag: str) -> T:
    context.addJobTag(tag)
    try:
        return action()
    finally:
        with suppress(Exception):  # of a JVM that has died, which the action reports
            context.removeJobTag(tag)


def _cancel(context: SparkContext, running: Future[Any], tag: str) -> None:
    """Cancel what carries the tag until the action has ended."""
    while not running.done():
        context.cancelJobsWithTag(tag)
        wait([running], CANCEL_SECONDS)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what a worker raised, wrapped in a JVM trace, back into one sentence."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException) as error:
        text = text_of(error)
        ours = re.findall(r"^orchard\.errors\.(\w+): (.*)$", text, re.MULTILINE)
        if ours:
            name, message = ours[-1]
            raise getattr(errors, name, OrchardError)(message) from None
        raise OrchardError(f"Spark gave up: {sentence(text)}") from error


def text_of(error: Exception) -> str:
    return str(getattr(error, "java_exception", error)).strip() or repr(error)


def sentence(text: str) -> str:
    """What a worker's Python raised, where the text quotes that; else its first line."""
    raised = re.findall(
        r"Traceback \(most recent call last\):\n(?:[ \t].*\n)+(\S.*)$", text, re.MULTILINE
    )
    return raised[-1] if raised else text.splitlines()[0]
