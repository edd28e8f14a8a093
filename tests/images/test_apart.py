"""An image is decoded where it can do no harm: in a process that the kernel may end."""

from __future__ import annotations

import io
import lzma
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from corpus import bad_files, good_files
from corpus.costly import many_segments, overlapping_strips, tiny_tiles
from PIL import Image

from orchard.errors import OrchardError
from orchard.images import apart
from orchard.images.apart import SECONDS, Decoder, decode_apart
from orchard.images.decode import Pixels, decode
from orchard.records import Failure, Reason

SIZE = 32
KNOWN = Path(__file__).with_name("costly")
FILES = {name: data for name, (data, _) in (good_files() | bad_files()).items()}


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with Decoder() as found:
        yield found


def picture(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(out, "JPEG")
    return out.getvalue()


def begin_with(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Have the process do this to its module, `a`, before it serves."""
    serve = "a.serve(int(sys.argv[1]))"
    whole = f"import orchard.images.apart as a\n{program}\n{serve}"
    monkeypatch.setattr(apart, "_PROGRAM", whole)


def test_it_is_what_decode_gives(decoder: Decoder) -> None:
    for name, data in FILES.items():
        (found,), expected = decoder.decode([data], SIZE), decode(data, SIZE)
        if isinstance(expected, Failure):
            assert found == expected, name
        else:
            assert isinstance(found, Pixels), name
            assert (found.width, found.height) == (expected.width, expected.height)
            np.testing.assert_array_equal(found.array, expected.array)


def test_images_of_one_call_keep_their_order_and_their_views(decoder: Decoder) -> None:
    views = ("plain", "zoom")
    images = [picture("red"), b"", picture("blue"), b"no picture"]
    found = decoder.decode(images, SIZE, views=views)
    reasons = [one.reason if isinstance(one, Failure) else None for one in found]
    assert reasons == [None, Reason.EMPTY, None, Reason.NOT_AN_IMAGE]
    for one, data in zip(found, images, strict=True):
        if isinstance(one, Pixels):
            np.testing.assert_array_equal(one.views, decode(data, SIZE, views=views).views)
            with pytest.raises(ValueError, match="read-only"):
                one.array[:] = 0


@pytest.mark.parametrize("costly", [many_segments, tiny_tiles], ids=lambda made: made.__name__)
def test_what_costs_too_much_is_refused_by_its_header(costly: Callable[[], bytes]) -> None:
    found = decode(costly(), SIZE)
    assert isinstance(found, Failure)
    assert found.reason is Reason.TOO_COSTLY
    assert "expected at most" in found.detail


def test_the_costliest_files_that_were_found_stay_far_from_the_limits(decoder: Decoder) -> None:
    """Of 16,000 that `costliest.py` made; by hand, and by a header's field, worse can be made."""
    found = [lzma.decompress(path.read_bytes()) for path in KNOWN.iterdir()]
    assert len(found) > 5
    for one in decoder.decode(found, SIZE, seconds=SECONDS / 3):
        assert not isinstance(one, Failure) or one.reason is not Reason.TOO_COSTLY


def test_an_image_that_takes_too_long_is_ended_and_the_others_are_decoded(decoder: Decoder) -> None:
    images = [picture("red"), overlapping_strips(), picture("blue")]
    before, costly, after = decoder.decode(images, SIZE, seconds=0.5)
    assert costly == Failure(Reason.TOO_COSTLY, "takes more than 0.5 s of a core to decode")
    np.testing.assert_array_equal(before.array, decode(images[0], SIZE).array)
    np.testing.assert_array_equal(after.array, decode(images[2], SIZE).array)


def test_an_image_that_takes_too_much_memory_is_refused_where_it_is_decoded(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (9000, 9000)).save(out, "PNG")
    (fits,) = decoder.decode([out.getvalue()], SIZE)
    assert isinstance(fits, Pixels)
    begin_with(monkeypatch, "a.BYTES_PER_PIXEL, a.BYTES_BESIDE = 1, 10**8")
    with Decoder() as tight:
        (found,) = tight.decode([out.getvalue()], SIZE)
    assert isinstance(found, Failure)
    assert found.reason is Reason.TOO_COSTLY


def test_what_ends_the_process_twice_is_set_aside_and_once_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`deadly` kills the process always, `unlucky` the first time."""
    mark = str(tmp_path / "x")
    begin_with(
        monkeypatch,
        "import os; whole = a.decode\n"
        "def decode(data, *args, **kwargs):\n"
        f"    if data == b'deadly' or data == b'unlucky' and not os.path.exists({mark!r}):\n"
        f"        open({mark!r}, 'w').close()\n"
        "        os.kill(os.getpid(), 11)\n"
        "    return whole(data, *args, **kwargs)\n"
        "a.decode = decode",
    )
    with Decoder() as decoder:
        unlucky, deadly, after = decoder.decode([b"unlucky", b"deadly", picture()], SIZE)
    assert unlucky.reason is Reason.NOT_AN_IMAGE
    assert deadly == Failure(Reason.TOO_COSTLY, "ended its decoder twice (SIGSEGV)")
    np.testing.assert_array_equal(after.array, decode(picture(), SIZE).array)


def test_no_image_starts_no_process(decoder: Decoder) -> None:
    assert decoder.decode([], SIZE) == []
    assert decoder._process is None


def test_a_process_that_cannot_work_is_no_fault_of_the_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apart, "_PROGRAM", "sys.exit(3)")
    with Decoder() as decoder, pytest.raises(OrchardError, match="ends with exit status 3; see"):
        decoder.decode([picture(), picture()], SIZE)


def test_a_fork_leaves_its_parents_process_alone() -> None:
    decode_apart(picture(), SIZE)
    process = apart.decoder_of_thread()._process
    assert process is not None
    with warnings.catch_warnings():  # of Python 3.12, since other threads run
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        apart.decoder_of_thread().close()
        os._exit(0)
    os.waitpid(child, 0)
    assert process.poll() is None


def test_larger_pictures_get_a_larger_memory(decoder: Decoder) -> None:
    for size in (8, 224, 32):
        (found,) = decoder.decode([picture()], size)
        np.testing.assert_array_equal(found.array, decode(picture(), size).array)


def test_a_thread_has_a_process_of_its_own_and_takes_it_along() -> None:
    pids: list[int] = []

    def work() -> None:
        decode_apart(picture(), SIZE)
        process = apart.decoder_of_thread()._process
        assert process is not None
        pids.append(process.pid)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(pids)) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_process_ends_with_the_one_that_started_it() -> None:
    program = (
        "import os, signal; from orchard.images.apart import decoder_of_thread as d\n"
        f"d().decode([{picture()!r}], 32); print(d()._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    for _ in range(500):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        threading.Event().wait(0.02)
    pytest.fail("it is still there")


def test_an_interrupted_answer_is_not_the_next_ones(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder.decode([picture("red")], SIZE)
    process = decoder._process
    assert process is not None

    class Interrupted:
        def read(self, _: int) -> bytes:
            raise KeyboardInterrupt

        def close(self) -> None:
            pass

    with process.stdout:
        monkeypatch.setattr(process, "stdout", Interrupted())
        with pytest.raises(KeyboardInterrupt):
            decoder.decode([picture("red")], SIZE)
    (found,) = decoder.decode([picture("blue")], SIZE)
    np.testing.assert_array_equal(found.array, decode(picture("blue"), SIZE).array)
