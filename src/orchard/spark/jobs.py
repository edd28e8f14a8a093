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
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from orchard import errors
from orchard.errors import OrchardError

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

T = TypeVar("T")

CANCEL_SECONDS = 0.2  # between two attempts: a job that is not yet submitted cannot be cancelled


def is_connect(session: Any) -> bool:
    """Whether it is a session of Spark Connect: PySpark's own, or one derived from it."""
    return any(kind.__module__.startswith("pyspark.sql.connect") for kind in type(session).__mro__)


def of_metadata(session: Any) -> Any:
    """What `pyspark.ml` saves and loads a stage's settings with: PySpark 3.5 takes a context."""
    return session if is_connect(session) else session.sparkContext


def new_tag() -> str:
    return f"orchard-{secrets.token_hex(8)}"


def run_action(session: SparkSession, action: Callable[[], T], tag: str | None = None) -> T:
    """Run a Spark action so that Ctrl-C cancels it, and what a worker raised comes back as it was.

    The action runs in a thread of its own: interrupted in its own thread, Py4J's connection breaks,
    and the jobs could not be cancelled over it. tag: of its jobs, for callers that want to `cancel`
    them; default one of its own.
    """
    tags = _Tags.of(session)
    tag = tag or new_tag()
    tagged = tags.inherit(partial(_tagged, tags, action, tag))
    with ThreadPoolExecutor(1) as pool, translated_errors():
        running = pool.submit(tagged)
        try:
            return running.result()
        except KeyboardInterrupt:
            _cancel(tags, running, tag)
            raise


def cancel(session: SparkSession, tag: str) -> None:
    """Cancel the jobs that carry the tag."""
    _Tags.of(session).cancel(tag)


@dataclass(frozen=True, slots=True)
class _Tags:
    """How jobs of this thread are tagged, and what of this thread another one takes on.

    RDDs know the context's tags alone, Spark Connect the session's alone.
    """

    add: Callable[[str], Any]
    remove: Callable[[str], Any]
    cancel: Callable[[str], Any]
    inherit: Callable[[Callable[[], Any]], Callable[[], Any]]

    @classmethod
    def of(cls, session: Any) -> _Tags:
        import pyspark
        from pyspark.util import inheritable_thread_target

        if is_connect(session):
            taking = partial(_with_tags, session, session.getTags())
            return cls(session.addTag, session.removeTag, session.interruptTag, taking)
        context: SparkContext = session.sparkContext
        is_old = pyspark.__version__ < "4"  # its tags are those of the context
        inherit = inheritable_thread_target if is_old else inheritable_thread_target(session)
        return cls(context.addJobTag, context.removeJobTag, context.cancelJobsWithTag, inherit)


def _with_tags(session: Any, tags: set[str], action: Callable[[], T]) -> Callable[[], T]:
    """PySpark has the same for sessions that its builder made alone."""

    def wrapped() -> T:
        for tag in tags:
            session.addTag(tag)
        return action()

    return wrapped


def _tagged(tags: _Tags, action: Callable[[], T], tag: str) -> T:
    tags.add(tag)
    try:
        return action()
    finally:
        with suppress(Exception):  # of a JVM that has died, which the action reports
            tags.remove(tag)


def _cancel(tags: _Tags, running: Future[Any], tag: str) -> None:
    """Cancel what carries the tag until the action has ended."""
    while not running.done():
        tags.cancel(tag)
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
        if lacking := re.findall(r"^ModuleNotFoundError: No module named '(.*)'", text, re.M):
            raise OrchardError(
                f"Spark's workers have no Python module {lacking[-1]}: install orchard-images into "
                "the Python that they run, in the same version as here"
            ) from None
        raise OrchardError(f"Spark gave up: {sentence(text)}") from error


def text_of(error: Exception) -> str:
    return str(getattr(error, "java_exception", error)).strip() or repr(error)


def sentence(text: str) -> str:
    """What a worker's Python raised, or gRPC met, if the text quotes that; else its first line."""
    raised = re.findall(
        r"Traceback \(most recent call last\):\n(?:[ \t].*\n)+(\S.*)$", text, re.MULTILINE
    )
    told = raised or re.findall(r'^\s*details = "(.+)"$', text, re.MULTILINE)  # of gRPC
    return told[-1] if told else text.splitlines()[0]
