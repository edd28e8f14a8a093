"""`decode` in a process of its own, which the kernel ends when an image takes too long.

Whatever a file does to a decoder, it does it there: within SECONDS of CPU time and a limit of
memory. A process that ends is replaced, and its image becomes a failure with a reason. CPU time is
counted, not the clock's: a busy machine refuses no image that an idle one reads.

The process starts with the first image and stays warm. It reads requests from its standard input:
a line of JSON, then the bytes of each image. What becomes of them lies in memory that both
processes share, so that an answer is one byte. It ends when its input does, so with the process
that started it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from orchard.errors import OrchardError
from orchard.images.crop import Box
from orchard.images.decode import DEFAULT_MAX_PIXELS, Pixels, decode
from orchard.images.shared import ANSWER, Shared
from orchard.machine import bound, isolated
from orchard.records import Failure, Reason

SECONDS = 30.0
"""Of CPU time an image may take. The slowest of ordinary files, a 100-megapixel photo as WebP
without loss, took 4.2 seconds of one core of an AMD EPYC."""

BYTES_PER_PIXEL, BYTES_BESIDE = 16, 400_000_000
"""Memory that decoding may take: for each pixel an image may have, and whatever it has. The process
was measured to peak at 6 to 13 bytes a pixel, and at 17 with WebP."""

_PIPE_BYTES = 1 << 20  # many images in one go, instead of 64 KiB at a time
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of Linux
_PROGRAM = "from orchard.images.apart import serve; serve(int(sys.argv[1]))"


class Decoder:
    """Decodes images in another process; for one thread at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._shared: Shared | None = None
        self._owner = os.getpid()

    def decode(
        self,
        images: Sequence[bytes],
        size: int,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        scaled: bool = False,
        views: tuple[str, ...] = ("plain",),
        colour: Literal["srgb", "ignore"] = "srgb",
        damaged: Literal["refuse", "keep"] = "refuse",
        crop: Box | None = None,
        seconds: float = SECONDS,
    ) -> list[Pixels | Failure]:
        """What `orchard.images.decode.decode` makes of each; TOO_COSTLY for what ends the process.

        seconds: of CPU time an image may take. One that ends the process in another way is tried
        once more, since somebody else may have ended it. The next call overwrites the pixels.
        Raises OrchardError where the process cannot work at all.
        """
        if size < 1:
            raise ValueError(f"size={size}: expected a number of pixels, at least 1")
        if not images:
            return []
        asked = {"size": size, "max_pixels": max_pixels, "scaled": scaled, "views": views}
        asked |= {"colour": colour, "damaged": damaged, "crop": crop}
        asked |= {"n_bytes": [len(data) for data in images], "seconds": seconds}
        shared = self._reserved(len(images), len(views), size)
        answers, pixels = shared.of(len(images), len(views), size)
        answers["is_there"] = False
        start, n_tries = 0, 0
        while start < len(images):
            if (status := self._ask(shared, asked | {"first": start}, images)) == 0:
                break
            if answers["is_there"].all():  # it ended after its work
                break
            ended = int(np.argmin(answers["is_there"]))
            n_tries = n_tries + 1 if ended == start else 1
            start = ended
            if status > 0 and n_tries == 2:  # not ended by an image: it would say so in its answer
                raise OrchardError(
                    f"the process that decodes images ends with exit status {status}; see whether "
                    f"`{sys.executable} -c 'import orchard.images.apart'` works in this environment"
                )
            if status == -signal.SIGPROF or n_tries == 2:
                _put_failure(answers[ended], _why(status, seconds))
                start += 1
        return [_found(answer, views) for answer, views in zip(answers, pixels, strict=True)]

    def close(self) -> None:
        """End the process, if this one has started it: a fork leaves its parent's alone."""
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):  # what was still to be written
                    pipe.close()  # type: ignore[union-attr]
            process.kill()
            process.wait()

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _reserved(self, n: int, n_views: int, size: int) -> Shared:
        wanted = Shared.needs(n, n_views, size)
        if self._shared is None or self._shared.n_bytes < wanted:
            self.close()
            self._shared = Shared(wanted)
        return self._shared

    def _ask(self, shared: Shared, asked: dict[str, Any], images: Sequence[bytes]) -> int:
        """Have the images from the first asked for on decoded; the status of the process if it
        ended, else 0."""
        process = self._running(shared)
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(asked).encode() + b"\n")  # type: ignore[union-attr]
                for data in images[asked["first"] :]:
                    process.stdin.write(data)  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
            if process.stdout.read(1):  # type: ignore[union-attr]
                return 0
        except BaseException:  # Ctrl-C: this answer must not be taken for the next one
            self.close()
            raise
        status = process.wait()
        self.close()
        return status or 1

    def _running(self, shared: Shared) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                isolated(_PROGRAM, str(shared.fd)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[shared.fd],
                stderr=subprocess.DEVNULL,  # libtiff says what it thinks of a file
                start_new_session=True,  # Ctrl-C is for those who asked
            )
            _widen(self._process.stdin)
        return self._process


def decode_apart(
    data: bytes,
    size: int,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    scaled: bool = False,
    views: tuple[str, ...] = ("plain",),
    colour: Literal["srgb", "ignore"] = "srgb",
    damaged: Literal["refuse", "keep"] = "refuse",
    seconds: float = SECONDS,
) -> Pixels | Failure:
    """One image, by the decoder of the calling thread, which ends with it."""
    (found,) = decoder_of_thread().decode(
        [data],
        size,
        max_pixels=max_pixels,
        scaled=scaled,
        views=views,
        colour=colour,
        damaged=damaged,
        seconds=seconds,
    )
    if isinstance(found, Failure):
        return found
    first, *others = found.views.copy()
    return Pixels(first, found.width, found.height, tuple(others))


def decoder_of_thread() -> Decoder:
    """The calling thread's own; a forked process gets another than its parent's."""
    if getattr(_of_thread, "process", None) != os.getpid():
        _of_thread.process, _of_thread.decoder = os.getpid(), Decoder()
    found: Decoder = _of_thread.decoder
    return found


_of_thread = threading.local()


def serve(fd: int) -> None:
    """What the process does: decode what is asked for until its input ends."""
    _be_the_first_to_go()
    shared = Shared.opened(fd)
    while line := sys.stdin.buffer.readline():
        asked = json.loads(line)
        bound(resource.RLIMIT_DATA, BYTES_PER_PIXEL * asked["max_pixels"] + BYTES_BESIDE)
        views = tuple(asked["views"])
        answers, pixels = shared.of(len(asked["n_bytes"]), len(views), asked["size"])
        for number in range(asked["first"], len(answers)):
            n_bytes = asked["n_bytes"][number]
            data = sys.stdin.buffer.read(n_bytes)
            if len(data) < n_bytes:
                return
            signal.setitimer(signal.ITIMER_PROF, asked["seconds"])
            found = decode(
                data,
                asked["size"],
                max_pixels=asked["max_pixels"],
                scaled=asked["scaled"],
                views=views,
                colour=asked["colour"],
                damaged=asked["damaged"],
                crop=asked["crop"] and tuple(asked["crop"]),
            )
            signal.setitimer(signal.ITIMER_PROF, 0)
            del data
            if isinstance(found, Failure):
                _put_failure(answers[number], found)
            else:
                pixels[number] = found.views
                answers[number] = (True, found.width, found.height, b"", b"")
        sys.stdout.buffer.write(b".")
        sys.stdout.buffer.flush()


def _found(answer: Any, views: NDArray[np.uint8]) -> Pixels | Failure:
    if answer["reason"]:
        return Failure(Reason(answer["reason"].decode()), answer["detail"].decode(errors="replace"))
    shown = views.view()
    shown.flags.writeable = False
    return Pixels(shown[0], int(answer["width"]), int(answer["height"]), tuple(shown[1:]))


def _put_failure(answer: Any, failure: Failure) -> None:
    detail = failure.detail.encode(errors="backslashreplace")[: ANSWER["detail"].itemsize]
    answer["reason"], answer["detail"] = failure.reason.value.encode(), detail
    answer["is_there"] = True


def _why(status: int, seconds: float) -> Failure:
    if status == -signal.SIGPROF:
        return Failure(Reason.TOO_COSTLY, f"takes more than {seconds:g} s of a core to decode")
    name = signal.Signals(-status).name
    return Failure(Reason.TOO_COSTLY, f"ended its decoder twice ({name})")


def _be_the_first_to_go() -> None:
    """Where memory is short the kernel ends this process, not the one that holds the run."""
    with suppress(OSError):  # Linux alone has it
        Path("/proc/self/oom_score_adj").write_text("1000")


def _widen(pipe: Any) -> None:
    with suppress(ImportError, OSError):  # Linux alone can
        import fcntl

        fcntl.fcntl(pipe, _SET_PIPE_SIZE, _PIPE_BYTES)
