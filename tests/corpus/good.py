"""Files that must give pixels: every format and mode, turned, tiny, long, with odd metadata."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import numpy as np
import PIL
from PIL import Image

from corpus.encode import (
    ORIENTATION_SIDES,
    bmp_with_alpha,
    chunk,
    exif,
    jpeg_with_segment,
    pillow,
    png,
    png_with,
    stored_for,
    tiff,
    tiff_directory,
)
from corpus.expected import CORNERS, HEIGHT, WHITE, WIDTH, Expected, File, picture
from corpus.layouts import directories, page, raw
from corpus.stored import read_files

JPEG_TOLERANCE = 12  # quantisation at quality 95, full-resolution colour
GREY_CORNERS = tuple((round(0.299 * r + 0.587 * g + 0.114 * b),) * 3 for r, g, b in CORNERS)
UNREAD_BEFORE_PILLOW_13 = ("ycbcr.tif", "grey-premultiplied.tif")
COMPRESSIONS = (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma")


def good_files() -> dict[str, File]:
    files = {
        **_formats(),
        **_grey(),
        **_transparent(),
        **_deep(),
        **_oriented(),
        **_broken_exif(),
        **_shapes(),
        **_containers(),
        **_avif(),
        **_pages(),
        **_raw(),
        **read_files(),
    }
    if int(PIL.__version__.split(".")[0]) < 13:
        for name in UNREAD_BEFORE_PILLOW_13:
            del files[name]
    return files


def jpeg(rgb: np.ndarray | Image.Image | None = None, **options: object) -> bytes:
    source = picture() if rgb is None else rgb
    return pillow(source, "JPEG", **({"quality": 95, "subsampling": 0} | options))


def _formats() -> dict[str, File]:
    image = Image.fromarray(picture())
    palette = image.quantize(16, dither=Image.Dither.NONE)
    cmyk = Image.merge(
        "CMYK", [*image.point(lambda v: 255 - v).split(), Image.new("L", image.size)]
    )
    exact, lossy = Expected(), Expected(tolerance=JPEG_TOLERANCE)
    files = {
        "baseline.jpg": (jpeg(), lossy),
        "progressive.jpg": (jpeg(progressive=True), lossy),
        "restart-markers.jpg": (jpeg(restart_marker_rows=1), lossy),
        "cmyk.jpg": (jpeg(cmyk), lossy),
        "rgb.png": (pillow(image, "PNG"), exact),
        "palette.png": (pillow(palette, "PNG"), exact),
        "lossless.webp": (pillow(image, "WEBP", lossless=True), exact),
        "lossy.webp": (pillow(image, "WEBP", quality=95), Expected(tolerance=20)),
        "rgb.bmp": (pillow(image, "BMP"), exact),
        "palette.bmp": (pillow(palette, "BMP"), exact),
        "rgb.gif": (pillow(palette, "GIF"), exact),
        "cmyk.tif": (pillow(cmyk, "TIFF"), exact),
        "ycbcr.tif": (pillow(image.convert("YCbCr"), "TIFF"), Expected(tolerance=2)),
        "palette.tif": (pillow(palette, "TIFF"), exact),
    }
    for name in COMPRESSIONS:
        files[f"{name or 'raw'}.tif"] = (pillow(image, "TIFF", compression=name), exact)
    return files


def _grey() -> dict[str, File]:
    grey = Image.fromarray(picture()).convert("L")
    expected = Expected(corners=GREY_CORNERS)
    bilevel = Image.fromarray(picture()[..., 0] > 128)  # red and yellow white, the others black
    black_white = Expected(corners=(WHITE, (0, 0, 0), (0, 0, 0), WHITE))
    files = {
        "grey.jpg": (jpeg(grey), Expected(corners=GREY_CORNERS, tolerance=JPEG_TOLERANCE)),
        "bilevel-fax.tif": (pillow(bilevel, "TIFF", compression="group4"), black_white),
    }
    for suffix, name in (("png", "PNG"), ("bmp", "BMP"), ("gif", "GIF"), ("tif", "TIFF")):
        files[f"grey.{suffix}"] = (pillow(grey, name), expected)
        files[f"bilevel.{suffix}"] = (pillow(bilevel, name), black_white)
    return files


def _transparent() -> dict[str, File]:
    """The last quarter is transparent, so white; the first is half so, where alpha has steps."""
    rgba = np.dstack([picture(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    rgba[HEIGHT // 2 :, WIDTH // 2 :, 3] = 0
    rgba[: HEIGHT // 2, : WIDTH // 2, 3] = 128
    image = Image.fromarray(rgba)
    half = tuple(round((v * 128 + 255 * 127) / 255) for v in CORNERS[0])
    blended = Expected(corners=(half, *CORNERS[1:3], WHITE))
    grey_half = (round((GREY_CORNERS[0][0] * 128 + 255 * 127) / 255),) * 3
    grey_blended = Expected(corners=(grey_half, *GREY_CORNERS[1:3], WHITE))
    grey_alpha = Image.merge("LA", [image.convert("RGB").convert("L"), image.getchannel("A")])
    keyed = Expected(corners=(*CORNERS[:3], WHITE))
    palette = Image.fromarray(picture()).quantize(16, dither=Image.Dither.NONE)
    index = palette.getpixel((WIDTH - 1, HEIGHT - 1))
    alphas = bytes(0 if entry == index else 255 for entry in range(16))
    palette_alpha = Image.merge("PA", [Image.new("L", image.size), image.getchannel("A")])
    palette_alpha.putpalette([10, 20, 30])
    dark = (10, 20, 30)
    dark_half = tuple(round((v * 128 + 255 * 127) / 255) for v in dark)
    return {
        "rgba.png": (pillow(image, "PNG"), blended),
        "rgba.webp": (pillow(image, "WEBP", lossless=True, exact=True), blended),
        "rgba.tif": (pillow(image, "TIFF"), blended),
        "rgba.bmp": (bmp_with_alpha(rgba), blended),
        "unused-fourth-byte.bmp": (pillow(image, "BMP"), Expected()),
        "grey-alpha.png": (pillow(grey_alpha, "PNG"), grey_blended),
        "grey-alpha.tif": (pillow(grey_alpha, "TIFF"), grey_blended),
        "grey-premultiplied.tif": (
            tiff(WIDTH, HEIGHT, _premultiplied(grey_alpha), t277=2, t338=1),
            replace(grey_blended, tolerance=2),
        ),
        "palette-alpha.tif": (
            pillow(palette_alpha, "TIFF"),
            Expected(corners=(dark_half, dark, dark, WHITE)),
        ),
        "palette-index.gif": (pillow(palette, "GIF", transparency=index), keyed),
        "palette-index.png": (pillow(palette, "PNG", transparency=index), keyed),
        "palette-alphas.png": (pillow(palette, "PNG", transparency=alphas), keyed),
        "rgb-key.png": (pillow(picture(), "PNG", transparency=CORNERS[3]), keyed),
        **_grey_keys(),
    }


def _premultiplied(grey_alpha: Image.Image) -> bytes:
    grey, alpha = (np.array(band, np.float64) for band in grey_alpha.split())
    return np.dstack([np.rint(grey * alpha / 255), alpha]).astype(np.uint8).tobytes()


def _grey_keys() -> dict[str, File]:
    """A grey key counts in samples of the file's own depth: 2 bits know the values 0 to 3."""
    files = {}
    for bits in (1, 2, 4, 8, 16):
        top = (1 << bits) - 1
        dark = 1 if bits > 1 else 0
        samples = [dark] * (WIDTH // 2) + [top] * (WIDTH // 2)
        packed = sum(s << bits * (WIDTH - 1 - at) for at, s in enumerate(samples))
        rows = [packed.to_bytes(WIDTH * bits // 8, "big")] * HEIGHT
        key = chunk(b"tRNS", struct.pack(">H", dark))
        all_white = Expected(corners=(WHITE,) * 4)
        files[f"grey-key-{bits}-bit.png"] = (
            png(WIDTH, HEIGHT, bits, 0, rows, key),
            all_white,
        )
    return files


def _deep() -> dict[str, File]:
    grey = np.array(Image.fromarray(picture()).convert("L"))
    deep = grey.astype(np.uint16) * 257
    expected = Expected(corners=GREY_CORNERS)
    rgb16 = [(row.astype(np.uint16) * 256 + 0x55).astype(">u2").tobytes() for row in picture()]
    rgba = np.dstack([picture(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    rgba16 = [(row.astype(np.uint16) * 257).astype(">u2").tobytes() for row in rgba]
    key = chunk(b"tRNS", struct.pack(">HHH", *(256 * v + 0x55 for v in CORNERS[3])))
    twelve = np.round(grey / 255 * 4095).astype(np.uint16).reshape(-1, 2)
    packed = np.stack(
        [twelve[:, 0] >> 4, (twelve[:, 0] & 15) << 4 | twelve[:, 1] >> 8, twelve[:, 1] & 255], 1
    )
    return {
        "grey-16-bit.png": (pillow(deep, "PNG"), expected),
        "grey-16-bit.tif": (pillow(deep, "TIFF"), expected),
        "grey-16-bit-lzw.tif": (pillow(deep, "TIFF", compression="tiff_lzw"), expected),
        "grey-16-bit-big-endian.tif": (pillow(deep.astype(">u2"), "TIFF"), expected),
        "grey-16-bit-white-is-zero.tif": (
            tiff(WIDTH, HEIGHT, (65535 - deep).tobytes(), bits=16, photometric=0),
            expected,
        ),
        "grey-12-bit.tif": (
            tiff(WIDTH, HEIGHT, packed.astype(np.uint8).tobytes(), bits=12),
            expected,
        ),
        "grey-32-bit-integer.tif": (pillow(deep.astype(np.int32), "TIFF"), expected),
        "rgb-16-bit.png": (png(WIDTH, HEIGHT, 16, 2, rgb16), Expected()),
        "rgb-key-16-bit.png": (
            png(WIDTH, HEIGHT, 16, 2, rgb16, key),
            Expected(corners=(*CORNERS[:3], WHITE)),
        ),
        "rgba-16-bit.png": (png(WIDTH, HEIGHT, 16, 6, rgba16), Expected()),
    }


def _avif() -> dict[str, File]:
    image = Image.fromarray(picture())
    near = Expected(tolerance=JPEG_TOLERANCE)
    exact = {"quality": 100, "subsampling": "4:4:4"}
    rgba = np.dstack([picture(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    rgba[HEIGHT // 2 :, WIDTH // 2 :, 3] = 0
    files = {
        "rgb.avif": (pillow(image, "AVIF", **exact), near),
        "grey.avif": (
            pillow(image.convert("L"), "AVIF", **exact),
            replace(near, corners=GREY_CORNERS),
        ),
        "rgba.avif": (
            pillow(rgba, "AVIF", **exact),
            replace(near, corners=(*CORNERS[:3], WHITE)),
        ),
        "avif-named.jpg": (pillow(image, "AVIF", **exact), near),
    }
    for value in ORIENTATION_SIDES:
        stored = stored_for(picture(), value)
        data = pillow(stored, "AVIF", exif=exif(value), **exact)
        files[f"orientation-{value}.avif"] = (data, near)
    return files


def _pages() -> dict[str, File]:
    """Which page of a TIFF is the picture."""
    small = picture()[::4, ::4].copy()
    black = np.zeros_like(picture())
    return {
        "thumbnail-first.tif": (directories(page(small, t254=1), page(picture())), Expected()),
        "thumbnail-first-in-sub.tif": (
            directories(page(small, t254=1), page(picture()), sub=True),
            Expected(),
        ),
        "mask-between.tif": (
            directories(page(small, t254=1), page(black, t254=4), page(picture())),
            Expected(),
        ),
        "picture-first.tif": (directories(page(picture()), page(small, t254=1)), Expected()),
        "pyramid.tif": (directories(page(picture()), page(small, t254=1), sub=True), Expected()),
    }


def _raw() -> dict[str, File]:
    """Camera raw: the JPEG inside, turned as the raw file says, or as it says itself."""
    small, near = picture()[::4, ::4].copy(), Expected(tolerance=JPEG_TOLERANCE)
    turned = jpeg(stored_for(picture(), 6))
    says = jpeg(stored_for(picture(), 6), exif=b"Exif\0\0" + exif(6))
    nef = raw(jpeg(), (WIDTH + 1, HEIGHT), small)
    large = Expected(width=1200, height=900, tolerance=JPEG_TOLERANCE)
    cr3 = b"\0\0\0\x18ftypcrx \0\0\0\1crx isom\0\0\0\x2eCMT1" + exif(6)
    return {
        "sensor-and-jpeg.nef": (nef, near),
        "camera.raf": (b"FUJIFILMCCD-RAW 0201" + bytes(80) + jpeg(picture(1200, 900)), large),
        "camera.rw2": (b"IIU\0\x08\0\0\0" + bytes(64) + jpeg(picture(1200, 900)), large),
        "camera.cr3": (cr3 + jpeg(stored_for(picture(1200, 900), 6)), large),
        "camera-says-itself.raf": (
            b"FUJIFILMCCD-RAW 0201"
            + bytes(80)
            + jpeg(stored_for(picture(1200, 900), 6), exif=b"Exif\0\0" + exif(6)),
            large,
        ),
        "turned-by-raw.nef": (
            raw(turned, (HEIGHT, WIDTH), small, orientation=6),
            near,
        ),
        "turned-by-jpeg.nef": (raw(says, (HEIGHT, WIDTH), small), near),
    }


def _oriented() -> dict[str, File]:
    files = {}
    for value in ORIENTATION_SIDES:
        stored = stored_for(picture(), value)
        files[f"orientation-{value}.jpg"] = (
            jpeg(stored, exif=b"Exif\0\0" + exif(value)),
            Expected(tolerance=JPEG_TOLERANCE),
        )
        files[f"orientation-{value}.png"] = (pillow(stored, "PNG", exif=exif(value)), Expected())
        files[f"orientation-{value}.webp"] = (
            pillow(stored, "WEBP", lossless=True, exif=exif(value)),
            Expected(),
        )
        for name in (None, "tiff_lzw"):
            files[f"orientation-{value}-{name or 'raw'}.tif"] = (
                pillow(stored, "TIFF", compression=name, tiffinfo={0x0112: value}),
                Expected(),
            )
    return files


def broken_exif_blocks() -> dict[str, bytes]:
    """EXIF that says nothing usable about orientation, in the ways cameras and editors break it."""
    return {
        "empty": b"",
        "not-tiff": b"hello, this is not a directory",
        "header-only": b"II*\0",
        "offset-beyond": b"II*\0\xff\xff\xff\x7f",
        "offset-into-itself": b"II*\0\0\0\0\0",
        "cut-directory": exif(6)[:12],
        "many-entries": b"II*\0\x08\0\0\0\xff\xff",
        "orientation-0": exif(0),
        "orientation-9": exif(9),
        "orientation-65535": exif(65535),
        "orientation-text": tiff_directory([(0x0112, 2, 4, 0x00000036)]),
        "orientation-rational": tiff_directory([(0x0112, 5, 1, 26)], struct.pack("<II", 6, 1)),
        "orientation-beyond": tiff_directory([(0x0112, 4, 1000, 0x7FFFFFFF)]),
        "unknown-type": tiff_directory([(0x0112, 99, 1, 6)]),
        "directory-loop": b"II*\0\x08\0\0\0\x01\0"
        + struct.pack("<HHII", 0x8769, 4, 1, 8)
        + b"\x08\0\0\0",
    }


def _broken_exif() -> dict[str, File]:
    files = {}
    plain_png = pillow(picture(), "PNG")
    for name, block in broken_exif_blocks().items():
        segment = jpeg_with_segment(jpeg(), 0xE1, b"Exif\0\0" + block)
        files[f"exif-{name}.jpg"] = (segment, Expected(tolerance=JPEG_TOLERANCE))
        files[f"exif-{name}.png"] = (png_with(plain_png, chunk(b"eXIf", block)), Expected())
        webp = pillow(picture(), "WEBP", lossless=True, exif=block or b"\0")
        files[f"exif-{name}.webp"] = (webp, Expected())
    no_jfif = jpeg()[:2] + jpeg()[20:]  # Pillow then looks for the resolution in the EXIF
    files["exif-not-tiff-no-jfif.jpg"] = (
        jpeg_with_segment(no_jfif, 0xE1, b"Exif\0\0" + b"\xff" * 40),
        Expected(tolerance=JPEG_TOLERANCE),
    )
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'
    files["orientation-in-xmp-only.jpg"] = (
        jpeg_with_segment(jpeg(), 0xE1, xmp),
        Expected(tolerance=JPEG_TOLERANCE),
    )
    stored = pillow(picture(), "TIFF", tiffinfo={700: xmp[29:]})
    files["orientation-in-xmp-only.tif"] = (stored, Expected())
    return files


def _shapes() -> dict[str, File]:
    files = {}
    dot = np.full((1, 1, 3), 200, np.uint8)
    for suffix, name in (
        ("jpg", "JPEG"),
        ("png", "PNG"),
        ("webp", "WEBP"),
        ("bmp", "BMP"),
        ("gif", "GIF"),
        ("tif", "TIFF"),
    ):
        expected = Expected(width=1, height=1, corners=((200,) * 3,) * 4, tolerance=4)
        files[f"one-pixel.{suffix}"] = (pillow(dot, name), expected)
    for width, height in ((30_000, 1), (1, 30_000)):
        line = np.full((height, width, 3), 90, np.uint8)
        expected = Expected(width=width, height=height, corners=((90,) * 3,) * 4, tolerance=2)
        for suffix, name in (("jpg", "JPEG"), ("png", "PNG"), ("bmp", "BMP"), ("tif", "TIFF")):
            files[f"{width}x{height}.{suffix}"] = (pillow(line, name), expected)
    return files


def _containers() -> dict[str, File]:
    """Whole pictures in files with something before, behind or beside them."""
    image = Image.fromarray(picture())
    black = Image.new("RGB", image.size)
    palette = image.quantize(16, dither=Image.Dither.NONE)
    plain = pillow(image, "PNG")
    several = {"save_all": True, "append_images": [black, black]}
    bomb = zlib.compress(bytes(80 << 20))
    texts = [chunk(b"zTXt", b"Comment\0\0" + bomb), chunk(b"iCCP", b"icc\0\0" + bomb)]
    texts.append(chunk(b"iTXt", b"Comment\0\x01\0\0\0" + bomb))
    lossy = Expected(tolerance=JPEG_TOLERANCE)
    return {
        "animated.gif": (pillow(palette, "GIF", **several), Expected()),
        "animated.webp": (pillow(image, "WEBP", lossless=True, **several), Expected()),
        "animated.png": (pillow(image, "PNG", **several), Expected()),
        "pages.tif": (pillow(image, "TIFF", **several), Expected()),
        "two-pictures.jpg": (pillow(image, "MPO", quality=95, subsampling=0, **several), lossy),
        "trailing-bytes.jpg": (jpeg() + bytes(1000), lossy),
        "trailing-video.jpg": (jpeg() + b"\xff\xda\xff\xd8" * 500, lossy),
        "trailing-bytes.png": (plain + b"extra", Expected()),
        "no-end-mark.png": (plain[:-12], Expected()),
        "no-end-mark.gif": (pillow(palette, "GIF")[:-1], Expected()),
        "text-bombs.png": (png_with(plain, *texts), Expected()),
        **{
            f"{name.decode()}-bad-checksum.png": (
                png_with(plain, chunk(name, content)[:-4] + b"\0\0\0\0"),
                Expected(),
            )
            for name, content in ((b"pHYs", bytes(9)), (b"tIME", bytes(7)), (b"gAMA", bytes(4)))
        },
        "invalid-animation.png": (png_with(plain, chunk(b"acTL", bytes(8))), Expected()),
        "png-named.jpg": (plain, Expected()),
        "jpeg-named.png": (jpeg(), lossy),
        "no-suffix": (plain, Expected()),
        "capitals.JPEG": (jpeg(), lossy),
    }
