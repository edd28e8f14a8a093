"""Files that must give an error row, each with its reason."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

from corpus.encode import (
    IEND,
    PNG_MAGIC,
    chunk,
    jpeg_size_patched,
    patched,
    pillow,
    png_with,
    tiff,
)
from corpus.expected import Expected, File
from corpus.good import COMPRESSIONS, jpeg
from corpus.layouts import directories, page, raw
from corpus.stored import UNREAD, stored
from orchard.records import Reason


def bad_files() -> dict[str, File]:
    groups = {
        Reason.EMPTY: {"empty.jpg": b"", "empty.png": b""},
        Reason.NOT_AN_IMAGE: _not_images(),
        Reason.TRUNCATED: _truncated(),
        Reason.CORRUPT: _corrupt(),
        Reason.DAMAGED: damaged_jpegs(),
        Reason.TOO_MANY_PIXELS: _bombs(),
        Reason.UNSUPPORTED: _unsupported(),
    }
    return {
        name: (data, Expected(reason))
        for reason, files in groups.items()
        for name, data in files.items()
    }


def noisy() -> np.ndarray:
    """Return a picture that compresses badly, so that a cut always takes pixels away."""
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


def whole_files() -> dict[str, bytes]:
    """Return one file of each format and compression, to be cut and damaged."""
    image = Image.fromarray(noisy())
    files = {
        "baseline.jpg": jpeg(image),
        "progressive.jpg": jpeg(image, progressive=True),
        "cmyk.jpg": jpeg(image.convert("CMYK")),
        "rgb.png": pillow(image, "PNG"),
        "palette.png": pillow(image.quantize(64), "PNG"),
        "lossy.webp": pillow(image, "WEBP"),
        "lossless.webp": pillow(image, "WEBP", lossless=True),
        "rgb.bmp": pillow(image, "BMP"),
        "rle.bmp": rle_bmp(),
        "rgb.gif": pillow(image, "GIF"),
        "rgb.avif": pillow(image, "AVIF"),
        "rgb.heic": stored("rgb.heic"),
        "jpeg.tif": pillow(image, "TIFF", compression="jpeg"),
        "fax.tif": pillow(image.convert("1"), "TIFF", compression="group4"),
    }
    for name in COMPRESSIONS:
        files[f"{name or 'raw'}.tif"] = pillow(image, "TIFF", compression=name)
    return files


def rle_bmp() -> bytes:
    """Return an 8-bit run-length BMP of 64 x 48 pixels, which Pillow does not write."""
    plain = pillow(Image.fromarray(noisy()).quantize(16), "BMP")
    (at,) = struct.unpack_from("<I", plain, 10)
    runs = b"".join(bytes([32, row % 16, 32, 15 - row % 16, 0, 0]) for row in range(48)) + b"\0\1"
    return (
        patched(patched(plain[:at], 30, struct.pack("<I", 1)), 2, struct.pack("<I", at + len(runs)))
        + runs
    )


def _not_images() -> dict[str, bytes]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(zipfile.ZipInfo("apple.txt"), "apple")
    return {
        "text.jpg": b"This is not a picture of an apple.\n",
        "text-like-bmp.bmp": b"BM is how this plain sentence begins.\n",
        "short.jpg": b"\xff\xd8",
        "zip.png": archive.getvalue(),
        "pdf.png": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n",
        "svg.png": b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>',
        "html.png": b"<!doctype html><title>404 Not Found</title>",
        "json.jpg": b'{"error": "AccessDenied"}',
        "video.heic": b"\0\0\0\x18ftypisom\0\0\0\0mp42isom" + bytes(64),
        "postscript.tif": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "portable-pixmap.png": b"P6 1 1 255\n\0\0\0",
        "wave.webp": b"RIFF\x24\0\0\0WAVEfmt " + bytes(28),
        "zeros.jpg": bytes(4096),
        "wrong-magic.jpg": b"\0" + jpeg()[1:],
        "wrong-magic.png": b"\x88" + pillow(noisy(), "PNG")[1:],
        "line-ends-converted.png": pillow(noisy(), "PNG").replace(b"\r\n", b"\n"),
        "wrong-magic.gif": b"GIF90a" + pillow(noisy(), "GIF")[6:],
    }


def _truncated() -> dict[str, bytes]:
    files = {}
    for name, data in whole_files().items():
        stem, suffix = name.split(".")
        for percent in (5, 25, 50, 75, 95):
            n_kept = max(18, len(data) * percent // 100)
            files[f"{stem}-cut-at-{percent}-percent.{suffix}"] = data[:n_kept]
    files["no-end-mark.jpg"] = jpeg(noisy())[:-2]
    files["half-end-mark.jpg"] = jpeg(noisy())[:-1]
    files["cut-then-zeros.jpg"] = jpeg(noisy())[:3000] + bytes(3000)
    pixels = zlib.compress(noisy()[..., 0].tobytes())
    files["directory-first-cut.tif"] = tiff(64, 48, pixels, t259=8)[:-500]
    files["magic-only.jpg"] = b"\xff\xd8\xff"
    files["magic-only.png"] = PNG_MAGIC
    files["magic-only.gif"] = b"GIF89a"
    files["magic-only.webp"] = b"RIFF\x24\0\0\0WEBP"
    files["magic-only.tif"] = b"II*\0"
    files["magic-only.heic"] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    files["magic-only.bmp"] = b"BM\x36\x24\0\0\0\0\0\0"
    return files


def _corrupt() -> dict[str, bytes]:
    whole = whole_files()
    png, gif, webp = whole["rgb.png"], whole["rgb.gif"], whole["lossy.webp"]
    deflated, photo = whole["tiff_adobe_deflate.tif"], whole["baseline.jpg"]
    tables = photo.index(b"\xff\xc4")
    colours = 3 << (gif[10] & 7) + 1
    return {
        "pixels-flipped.png": patched(png, 1000, bytes([png[1000] ^ 1])),
        "header-checksum.png": patched(png, 29, b"\0\0\0\0"),
        "bytes-flipped.heic": patched(stored("rgb.heic"), 60, b"\xff" * 40),
        "transparency-checksum.png": png_with(png, chunk(b"tRNS", bytes(6))[:-4] + bytes(4)),
        "half-the-pixels.png": png[:33] + chunk(b"IDAT", png[41:3000]) + IEND,
        "no-pixels.png": PNG_MAGIC + png[8:33] + IEND,
        "depth-5.png": patched(png, 24, b"\x05")[:29]
        + struct.pack(">I", zlib.crc32(patched(png, 24, b"\x05")[12:29]))
        + png[33:],
        "pixels-flipped-deflate.tif": patched(deflated, 1000, bytes([deflated[1000] ^ 1])),
        "no-huffman-tables.jpg": patched(photo, tables + 4, b"\xff" * 17),
        "code-size.gif": patched(gif, gif.index(b",", 13 + colours) + 10, b"\x20"),
        "frame-header.webp": patched(webp, 23, b"\0\0\0"),
        "no-size.tif": tiff(0, 0, b""),
    }


def damaged_jpegs() -> dict[str, bytes]:
    """Whole from end to end, as bytes, and part of the picture lost: what copies and downloads do.

    libjpeg decodes all of them.
    """
    smooth = Image.fromarray(noisy()).resize((256, 192), Image.Resampling.BICUBIC)
    whole = jpeg(smooth)
    scan, n = whole.index(b"\xff\xda") + 14, len(whole)
    half = scan + (n - scan) // 2
    progressive = jpeg(smooth, progressive=True)
    rows = jpeg(smooth, restart_marker_rows=1)
    third = rows.index(b"\xff\xd2")
    return {
        "half-of-the-scan.jpg": whole[:half] + whole[-2:],
        "gap-of-zeros.jpg": whole[:half] + bytes(400) + whole[half + 400 :],
        "line-ends-converted.jpg": whole.replace(b"\n", b"\r\n"),
        "line-ends-stripped.jpg": whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n"),
        "block-of-another.jpg": whole[:half] + progressive[500:900] + whole[half + 400 :],
        "bytes-dropped.jpg": whole[:half] + whole[half + 512 :],
        "half-of-the-scans.jpg": progressive[: len(progressive) // 2] + progressive[-2:],
        "rows-dropped.jpg": rows[:third] + rows[rows.index(b"\xff\xd4") :],
    }


def _bombs() -> dict[str, bytes]:
    big, ihdr = 60_000, struct.Struct(">IIBBBBB")
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    bmp, gif = pillow(noisy(), "BMP"), pillow(noisy(), "GIF")
    frame = gif.index(b",", 13 + (3 << (gif[10] & 7) + 1))
    canvas = struct.pack("<II", 0x10, 0)[:4] + (16383).to_bytes(3, "little") * 2
    vp8x = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + bytes(100)
    progressive = jpeg(np.zeros((3000, 3000), np.uint8), progressive=True)
    last_scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    return {
        "60000x60000.png": PNG_MAGIC
        + chunk(b"IHDR", ihdr.pack(big, big, 8, 2, 0, 0, 0))
        + pixels
        + IEND,
        "bilevel-60000x60000.png": PNG_MAGIC
        + chunk(b"IHDR", ihdr.pack(big, big, 1, 0, 0, 0, 0))
        + pixels
        + IEND,
        "2000000x1.png": PNG_MAGIC
        + chunk(b"IHDR", ihdr.pack(2_000_000, 1, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(2_000_001)))
        + IEND,
        "60000x60000.tif": tiff(big, big, b"\0", t259=8),
        "60000x60000-raw.tif": tiff(big, big, b"\0"),
        "tile-60000x60000.tif": tiff(10, 10, b"\0", t259=8, t322=big, t323=big, t324=200, t325=1),
        "60000x60000.gif": patched(gif, 6, struct.pack("<HH", big, big)),
        "frame-60000x60000.gif": patched(gif, frame + 5, struct.pack("<HH", big, big)),
        "60000x60000.bmp": patched(bmp, 18, struct.pack("<II", big, big)),
        "run-length-9000x9000.bmp": patched(rle_bmp(), 18, struct.pack("<II", 9000, 9000)),
        "60000x60000.jpg": jpeg_size_patched(jpeg(), big, big),
        "16384x16384.webp": b"RIFF" + struct.pack("<I", len(vp8x)) + vp8x,
        "many-scans.jpg": progressive[:-2] + last_scan * 400 + b"\xff\xd9",
    }


def _unsupported() -> dict[str, bytes]:
    floats = np.linspace(0, 1, 48 * 64, dtype=np.float32).reshape(48, 64)
    bmp = pillow(noisy(), "BMP")
    photo = jpeg(noisy())
    return {
        "float.tif": pillow(floats, "TIFF"),
        "float-deflate.tif": pillow(floats, "TIFF", compression="tiff_adobe_deflate"),
        "lab.tif": pillow(Image.frombytes("LAB", (64, 48), noisy().tobytes()), "TIFF"),
        "integers-beyond-16-bit.tif": pillow((floats * 1e6).astype(np.int32), "TIFF"),
        "negative-integers.tif": pillow((floats * -9).astype(np.int32), "TIFF"),
        "five-bit.tif": tiff(8, 8, bytes(40), bits=5),
        "unknown-compression.tif": tiff(8, 8, bytes(64), t259=12345),
        "jpeg-inside.bmp": patched(bmp, 30, struct.pack("<I", 4)),
        "depth-13.bmp": patched(bmp, 28, struct.pack("<H", 13)),
        "webp-inside.tif": tiff(64, 48, pillow(noisy(), "WEBP"), t259=50001),
        "signed-8-bit.tif": tiff(64, 48, noisy()[..., 0].tobytes(), t339=2),
        "signed-16-bit.tif": tiff(64, 48, bytes(6144), bits=16, t339=2),
        "only-thumbnails.tif": directories(page(noisy(), t254=1), page(noisy(), t254=1)),
        "only-a-preview.nef": raw(None, (640, 480), noisy()),
        "small-jpeg-only.nef": raw(jpeg(noisy()), (640, 480), noisy()),
        "no-jpeg.raf": b"FUJIFILMCCD-RAW 0201" + bytes(500),
        **{name: stored(name) for name in UNREAD},
        "depth-12.jpg": patched(photo, photo.index(b"\xff\xc0") + 4, b"\x0c"),
    }
