"""HEIC, as iPhones write it, by libheif; loaded with the first such image."""

from __future__ import annotations

from io import BytesIO

from PIL import ImageFile

from orchard.images.rejected import RejectedError
from orchard.records import Reason


def open_heic(file: BytesIO) -> ImageFile.ImageFile:
    """The primary image, its header read and nothing decoded; turned as it says when it is loaded.

    Depth and gain maps, thumbnails and other images of the file stay where they are. Samples of 10
    and 12 bits become 8. One thread decodes: an image is of one core here.
    """
    try:
        from pi_heif import options
        from pi_heif.as_plugin import HeifImageFile
    except ImportError as error:  # installed with Orchard, but a platform may have no wheel
        detail = f"a HEIC photo, and pi-heif cannot be loaded ({error}): pip install pi-heif"
        raise RejectedError(Reason.UNSUPPORTED, detail) from None
    options.DECODE_THREADS = 1
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    image: ImageFile.ImageFile = HeifImageFile(file)
    image.info.pop("exif", None)  # its orientation is only a copy of what the file's own box says
    return image
