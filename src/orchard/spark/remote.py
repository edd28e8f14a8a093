"""Sessions of Spark Connect: the caller's, or one of our own on a server.

PySpark 4 alone: the client of 3.5 makes no DataFrame of an Arrow table and has no `pyspark.ml`.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyspark

from orchard.errors import ConfigError, needs
from orchard.spark.jobs import sentence

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PREFIX = "sc://"
FIRST_TRIES = 4  # some 4 seconds until a server is given up that never answered
TRIES, LONGEST_PAUSE = 5, 10_000  # milliseconds; a quarter of a minute for each call later on
_CLIENT = "pyspark.sql.connect.session"


def running_remote() -> SparkSession | None:
    """The Connect session of this process, of this thread first; None where there is none."""
    client = sys.modules.get(_CLIENT)
    if client is None:
        return None
    if "SPARK_CONNECT_MODE_ENABLED" in os.environ:  # else 3.5's client is imported and not used
        _check_version("a session of Spark Connect")
    elif pyspark.__version__ < "4":
        return None
    kind: Any = client.SparkSession
    return kind.getActiveSession() or kind._get_default_session()


@contextmanager
def remote_session(url: str) -> Iterator[SparkSession]:
    """A session of our own on a server, which goes on when it ends.

    Raises ConfigError where the server does not answer within seconds.
    """
    session = _connected(url)
    try:
        yield session
    finally:
        _stop(session)


def start_remote(url: str) -> SparkSession:
    """A session as PySpark's builder makes it: `pyspark.sql.functions` then mean Spark Connect."""
    from pyspark.sql import SparkSession

    with remote_session(url):  # says what is wrong, in bounded time
        pass
    return SparkSession.builder.remote(url).getOrCreate()


def _connected(url: str) -> Any:
    what = f"--master {url.partition('/;')[0]}"  # whose parameters hold a token
    _check_version(what)
    with needs("connect", what):
        import pandas  # noqa: F401
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas' version, and of tries that were in vain
        try:
            from pyspark.sql.connect.client.retries import DefaultPolicy
            from pyspark.sql.connect.session import SparkSession
        except ImportError as error:  # PySpark's own check of versions
            raise ConfigError(
                f"{what}: {sentence(str(error))}; pip install 'orchard-images[connect]'"
            ) from None
        session: Any = None
        try:
            session = SparkSession.builder.remote(url).create()
            session.client.set_retry_policies([DefaultPolicy(FIRST_TRIES)])
            session.version  # noqa: B018  # the first question to the server
            policy = DefaultPolicy(TRIES, max_backoff=LONGEST_PAUSE)
            session.client.set_retry_policies([policy])
        except Exception as error:
            if session is not None:
                _stop(session, release=False)
            raise ConfigError(
                f"{what}: no Spark Connect server answers: {sentence(str(error))}; check the "
                "address, and that its port (15002 by default) is open to this machine"
            ) from None
    return session


def _stop(session: Any, *, release: bool = True) -> None:
    session.release_session_on_close = release
    session.client.set_retry_policies([])  # a server that is lost is not waited for
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session.stop()


def _check_version(what: str) -> None:
    if pyspark.__version__ < "4":
        raise ConfigError(
            f"{what}: Spark Connect needs PySpark 4.0 or newer, and this is {pyspark.__version__}; "
            "install a newer one, or use --master with another address"
        )
