"""Files that others made are read in a process of their own, which may die and is held to limits.

libhdf5, protobuf and ONNX Runtime are libraries in C++: a file made for it crashes them, keeps them
busy for ever, or has them take all memory. What happens to the process then becomes one sentence.
It is no sandbox: a file that takes such a library over has this user's rights.

    bytes ─▶ process: `answer(argument, bytes)` of a module ─▶ bytes, or the error's text
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import NoReturn

from orchard.errors import ConfigError, WeightsError, one_line
from orchard.machine import bound, isolated

GIB = 1 << 30
_DONE = b"done\n"
_REFUSED = {kind.__name__.encode() + b"\n": kind for kind in (WeightsError, ConfigError)}
_PROGRAM = "from orchard.model.apart import work; work(*sys.argv[1:])"


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a process: seconds on the clock and of processor time, bytes of memory."""

    seconds: int
    cpu_seconds: int
    memory: int


def ask(reader: str, argument: str, content: bytes, limits: Limits) -> bytes:
    """What `answer(argument, content)` of the module `reader` returns.

    Raises the WeightsError or ConfigError that it raises; WeightsError too where the process goes
    beyond `limits`, dies or cannot be started.
    """
    told = json.dumps(asdict(limits))
    try:
        done = subprocess.run(
            isolated(_PROGRAM, reader, argument, told),
            input=content,
            capture_output=True,
            timeout=limits.seconds,
            # NumPy would set memory aside for each core.
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired:
        raise WeightsError(f"not read and tried within {limits.seconds} s{_WAY_OUT}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the argument
        raise WeightsError(f"cannot start a process to read it: {one_line(error)}") from None
    if done.returncode == 0 and done.stdout.startswith(_DONE):
        return done.stdout[len(_DONE) :]
    for tag, kind in _REFUSED.items():
        if done.stdout.startswith(tag):
            raise kind(done.stdout[len(tag) :].decode(errors="replace"))
    raise WeightsError(_end(done, limits))


def work(reader: str, argument: str, told: str) -> NoReturn:
    """The process itself: confine it, answer on what was standard output, and end."""
    limits = Limits(**json.loads(told))
    confine(limits)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no part of the answer
    content = sys.stdin.buffer.read()
    try:
        found = _DONE + import_module(reader).answer(argument, content)
    except MemoryError:
        found = _refusal(WeightsError(_too_much(resource.getrlimit(resource.RLIMIT_DATA)[0])))
    except (WeightsError, ConfigError) as error:
        found = _refusal(error)
    except Exception as error:  # whatever a file leads to, it is the file's fault
        said = f"not as expected ({type(error).__name__}: {one_line(error)})"
        found = _refusal(WeightsError(said))
    with suppress(BrokenPipeError), out:
        out.write(found)
    sys.stdout.flush()
    os._exit(0)  # nothing that a library left half done is taken down


def confine(limits: Limits) -> None:
    """Hold this process to `limits`, and have it leave no dump of its memory."""
    bound(resource.RLIMIT_CPU, limits.cpu_seconds)
    bound(resource.RLIMIT_DATA, limits.memory)
    bound(resource.RLIMIT_CORE, 0)


def allow_more(memory: int) -> None:
    """Raise this process' limit by `memory` bytes, if it has one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if soft != resource.RLIM_INFINITY:
        bound(resource.RLIMIT_DATA, soft + memory)


_WAY_OUT = "; use another file, or a smaller network"


def _refusal(error: Exception) -> bytes:
    return f"{type(error).__name__}\n{error}".encode(errors="replace")


def _too_much(memory: int) -> str:
    return f"takes more than {memory / GIB:.1f} GiB of memory to read and try{_WAY_OUT}"


def _end(done: subprocess.CompletedProcess[bytes], limits: Limits) -> str:
    """How the process died, in words."""
    if done.returncode == -signal.SIGXCPU:
        return f"takes more than {limits.cpu_seconds} s of processor time to read and try{_WAY_OUT}"
    if b"bad_alloc" in done.stderr or b"MemoryError" in done.stderr:
        return _too_much(limits.memory)
    if done.returncode < 0:
        with suppress(ValueError):
            name = signal.Signals(-done.returncode).name
            return f"the library that reads it crashed ({name}): a damaged file, or one made for it"
    last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][:200]
    return f"the process that reads it ended with {done.returncode}: {last or 'no word'}"
