"""Pillow's process-wide settings while `decode` is at work, and as they were after it."""

from __future__ import annotations

import threading
import warnings

from PIL import AvifImagePlugin, Image, ImageFile


class PillowSettings:
    """Pillow's process-wide settings as `decode` needs them, while any thread is decoding.

    The user's own `LOAD_TRUNCATED_IMAGES` would let grey filling pass, their `MAX_IMAGE_PIXELS` is
    another cap than ours, and Pillow warns about damaged EXIF. Another thread's own use of Pillow
    sees these settings meanwhile; the first decode to enter saves them, the last to leave restores.
    """

    _lock = threading.Lock()
    _n_decoding = 0
    _saved: tuple[int | None, bool, int] = (None, False, 0)
    _warnings: warnings.catch_warnings[None]

    def __init__(self, max_pixels: int) -> None:
        self.limit = (max_pixels + 1) // 2  # Pillow raises above twice its limit

    def __enter__(self) -> None:
        shared = PillowSettings
        with shared._lock:
            if shared._n_decoding == 0:
                shared._saved = (
                    Image.MAX_IMAGE_PIXELS,
                    ImageFile.LOAD_TRUNCATED_IMAGES,
                    AvifImagePlugin.DEFAULT_MAX_THREADS,
                )
                AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # an image is of one core here
                shared._warnings = warnings.catch_warnings()
                shared._warnings.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
                Image.MAX_IMAGE_PIXELS = 0
                ImageFile.LOAD_TRUNCATED_IMAGES = False
            shared._n_decoding += 1
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, self.limit)

    def __exit__(self, *_: object) -> None:
        shared = PillowSettings
        with shared._lock:
            shared._n_decoding -= 1
            if shared._n_decoding == 0:
                (
                    Image.MAX_IMAGE_PIXELS,
                    ImageFile.LOAD_TRUNCATED_IMAGES,
                    AvifImagePlugin.DEFAULT_MAX_THREADS,
                ) = shared._saved
                shared._warnings.__exit__(None, None, None)
