"""moto and the proxy before it in a process of their own.

delta-rs holds Python's interpreter lock in some of its calls (`history` in 1.6), and a server in
the same process could not answer them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from moto.server import ThreadedMotoServer
from pyspark import cloudpickle
from s3.proxy import Fault, Proxy, Request, proxy_to


class DistantProxy:
    """A `Proxy` in another process; what `inject` closes over is copied there."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.upstream, self.endpoint = pipe.recv()

    @property
    def log(self) -> list[Request]:
        return self._ask("log")

    @property
    def peak(self) -> int:
        return self._ask("peak")

    def _set(self, inject: Callable[[Request], Fault | None]) -> None:
        self._ask("inject", cloudpickle.dumps(inject))

    inject = property(fset=_set)

    def forget(self) -> None:
        self._ask("forget")

    def count(self, method: str, *, under: str = "") -> Counter[str]:
        return Proxy("", log=self.log).count(method, under=under)

    def _ask(self, *question: Any) -> Any:
        self._pipe.send(question)
        return self._pipe.recv()


def serve(pipe: Connection) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    with proxy_to("http://{}:{}".format(*moto.get_host_and_port())) as proxy:
        pipe.send((proxy.upstream, proxy.endpoint))
        while question := pipe.recv():
            match question:
                case ("inject", function):
                    proxy.inject = cloudpickle.loads(function)
                    pipe.send(None)
                case ("forget",):
                    pipe.send(proxy.forget())
                case (name,):
                    pipe.send(getattr(proxy, name))
    moto.stop()
