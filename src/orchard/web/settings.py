"""The settings of a server: one frozen object, validated once, passed whole."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from orchard.errors import ConfigError
from orchard.machine import available_cores
from orchard.settings import Expected, settle
from orchard.storage import Storage

MEBIBYTE = 1024 * 1024
Seconds = Annotated[float, Ge(0.1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """What `orchard serve` does; most fields are options of the command line of the same name.

    - output: the OUTPUT of a training. classifier: an id; default the one trained last.
    - workers: images answered at once; 0: as many as there are cores. queue: images that may wait
      for one, beyond which the answer is 503.
    - max_bytes, max_pixels: of one image. head_seconds: for what precedes its bytes, and for an
      answer to be read; upload_seconds: for an image to arrive. answer_seconds: for the answer,
      waiting included. decode_seconds: of a core's time that an image may take to decode.
    - uploads: bodies that may be on their way at once, uploads_per_address of one address.
      upload_memory: bytes they may hold together.
    - rate: images a minute from one address, 0 for no limit; never of this machine itself, unless
      others can reach the server.
    - connections: open at once, connections_per_address of one address; a proxy has no such share.
    - contributions: whether people may leave images. keep_days: for how long those are kept.
      max_contributions: how many at once, contributions_per_address of one address.
    - behind_proxy: take the client's address from X-Forwarded-For, which a proxy on this machine
      sets.
    - thumbnails: show known images with an answer. sources: read them below these only; default
      what the result's runs record as their sources.
    - endpoint_url, region: of S3.

    Raises ConfigError where a value is of no such type or out of range.
    """

    output: Annotated[str, Expected("a folder or a URL", "OUTPUT")]
    host: str = "127.0.0.1"
    port: Annotated[
        int, Ge(0), Le(65535), Expected("a whole number from 0 to 65535; 0 takes any free one")
    ] = 8000
    classifier: str | None = None
    workers: Annotated[int, Ge(0)] = 0
    queue: Annotated[int, Ge(0)] = 64
    max_bytes: Annotated[int, Ge(1)] = 20 * MEBIBYTE
    max_pixels: Annotated[int, Ge(1)] = 50_000_000
    head_seconds: Seconds = 10.0
    upload_seconds: Seconds = 30.0
    answer_seconds: Seconds = 10.0
    decode_seconds: Seconds = 5.0
    uploads: Annotated[int, Ge(1)] = 256
    uploads_per_address: Annotated[int, Ge(1)] = 64
    upload_memory: Annotated[int, Ge(1)] = 512 * MEBIBYTE
    rate: Annotated[int, Ge(0)] = 60
    connections: Annotated[int, Ge(1)] = 2000
    connections_per_address: Annotated[int, Ge(1)] = 250
    contributions: bool = True
    keep_days: Annotated[int, Ge(1)] = 90
    max_contributions: Annotated[int, Ge(1)] = 10_000
    contributions_per_address: Annotated[int, Ge(1)] = 100
    behind_proxy: bool = False
    thumbnails: bool = True
    sources: Annotated[tuple[str, ...], Expected("a folder or a URL, or several", "--source")] = ()
    endpoint_url: str | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        settle(self)
        if self.upload_memory < self.max_bytes:
            raise ConfigError(
                f"--max-bytes {self.max_bytes}: expected at most {self.upload_memory}, which all "
                "uploads may hold together"
            )

    @property
    def n_workers(self) -> int:
        return self.workers or available_cores()

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def storage(self) -> Storage:
        return Storage(self.endpoint_url, self.region)
