"""Pages of a TIFF: which one is the picture, and separate planes as pages of their own.

Pillow reads the first page, also where it says that it is a thumbnail of another, and reads garbage
where planes of 16 bits or of transparency lie apart. A file is so rewritten, by its directories
alone, that Pillow reads what is meant: no pixel is touched.

Sources: TIFF 6.0; TIFF/EP and DNG 1.7 (SubIFDs, NewSubFileType, photometric values of sensors).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from orchard.images import colour, directories
from orchard.images.directories import Entry
from orchard.images.rejected import RejectedError
from orchard.records import Reason

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
ORIENTATION, SAMPLES, PLANAR, SUB_IFDS, EXTRA, SAMPLE_FORMAT = 274, 277, 284, 330, 338, 339
_DNG_VERSION = 50706
_SENSOR = (32803, 34892)  # colour filter array, linear raw
_RAW_COMPRESSIONS = (34713, 32767, 32769, 32770, 65535)  # Nikon, Sony, Epson, Samsung, Pentax
_DATA = {273: 279, 324: 325}  # where strips and tiles are, and their byte counts
# What a plane has in common with the whole.
_OF_A_PLANE = (WIDTH, HEIGHT, COMPRESSION, 266, ORIENTATION, 278, 317, 322, 323, 347)
_MOST_PAGES = 64
_IS_THUMBNAIL, _IS_MASK = 1, 4  # bits of NewSubFileType
_CMYK, _RGB, _GREY = 5, 2, (0, 1)


@dataclass(frozen=True, slots=True)
class Page:
    """A directory: where it is, and its entries by tag."""

    data: bytes
    at: int
    entries: dict[int, Entry]

    def value(self, tag: int, default: int = 0) -> int:
        return next(iter(self.values(tag)), default)

    def values(self, tag: int) -> tuple[int, ...]:
        entry = self.entries.get(tag)
        return directories.numbers(self.data, entry) if entry else ()

    @property
    def size(self) -> tuple[int, int]:
        return self.value(WIDTH), self.value(HEIGHT)

    @property
    def is_picture(self) -> bool:
        return not self.value(SUBFILE) & (_IS_THUMBNAIL | _IS_MASK)

    @property
    def is_raw(self) -> bool:
        is_sensor = self.value(PHOTOMETRIC) in _SENSOR
        return is_sensor or self.value(COMPRESSION) in _RAW_COMPRESSIONS

    @property
    def orientation(self) -> int:
        return self.value(ORIENTATION, 1)


def pages(data: bytes) -> list[Page]:
    """The directories of a file and those inside them, as far as they are whole."""
    found: list[Page] = []
    seen: set[int] = set()
    waiting = [directories.start(data)]
    while waiting and len(found) < _MOST_PAGES:
        at = waiting.pop(0)
        if at == 0 or at in seen:
            continue
        seen.add(at)
        try:
            entries, after = directories.directory(data, at)
        except EOFError:
            continue
        page = Page(data, at, entries)
        found.append(page)
        waiting += [after, *page.values(SUB_IFDS)[:_MOST_PAGES]]
    return found


def is_raw(data: bytes) -> bool:
    """Whether it is a camera's raw file (DNG, NEF, CR2, ARW, PEF, SRW, …)."""
    if data[8:10] == b"CR" and data[:4] == b"II*\0":
        return True
    found = pages(data)
    return bool(found) and (_DNG_VERSION in found[0].entries or any(page.is_raw for page in found))


def full_page(data: bytes) -> bytes:
    """The file, beginning with its largest whole page where the first says that it is a thumbnail.

    Raises RejectedError (UNSUPPORTED) where all pages say so.
    """
    found = pages(data)
    if not found or not found[0].value(SUBFILE) & _IS_THUMBNAIL:
        return data
    whole = [page for page in found if page.is_picture]
    if not whole:
        detail = "its first page says that it is a thumbnail, and no other page is the picture"
        raise RejectedError(Reason.UNSUPPORTED, detail)
    return directories.beginning_at(
        data, max(whole, key=lambda page: page.size[0] * page.size[1]).at
    )


def load(image: TiffImageFile, data: bytes) -> Image.Image:
    """The pixels of an opened page, plane by plane where they lie apart.

    Raises RejectedError (UNSUPPORTED) for signed samples, whose zero is no black.
    """
    page = _first(data)
    signed = 2 in page.values(SAMPLE_FORMAT)
    if signed and max(page.values(BITS), default=1) <= 16:
        raise RejectedError(Reason.UNSUPPORTED, "signed samples have no defined RGB")
    if page.value(PLANAR, 1) != 2 or page.value(SAMPLES, 1) < 2:
        image.load()
        return image
    kind = page.value(PHOTOMETRIC)
    mode = _mode(kind, page.value(SAMPLES), page.values(EXTRA))
    if mode is None or set(page.values(BITS)) not in ({8}, {16}):
        detail = f"separate planes of colours of kind {kind}, {page.value(BITS)} bits"
        raise RejectedError(Reason.UNSUPPORTED, detail)
    planes = [_plane(data) for data in _apart(page, len(Image.new(mode, (1, 1)).getbands()))]
    if kind == 0:
        planes[0] = Image.eval(planes[0], lambda value: 255 - value)
    found = Image.merge(mode, planes) if len(planes) > 1 else planes[0]
    found.info = image.info
    return found


def _mode(kind: int, n: int, extra: tuple[int, ...]) -> str | None:
    alpha = extra[0] if extra else 0
    if kind in _GREY:
        return {1: "La", 2: "LA"}.get(alpha, "L") if n > 1 else "L"
    if kind == _RGB and n >= 3:
        return {1: "RGBa", 2: "RGBA"}.get(alpha, "RGB") if n > 3 else "RGB"
    return "CMYK" if kind == _CMYK and n >= 4 else None


def _plane(data: bytes) -> Image.Image:
    image = TiffImageFile(BytesIO(data))
    image.load()
    return image if image.mode == "L" else colour.grey_to_8_bits(image)


def _apart(page: Page, n: int) -> Iterator[bytes]:
    """For each of the first n planes the file, beginning with a page that is this plane alone."""
    data, n_planes = page.data, page.value(SAMPLES)
    bits = page.value(BITS)
    for number in range(n):
        entries = [page.entries[tag] for tag in _OF_A_PLANE if tag in page.entries]
        single = {BITS: bits, PHOTOMETRIC: 1, SAMPLES: 1, PLANAR: 1}
        entries += [Entry(tag, 3, 1, None, value) for tag, value in single.items()]
        for tags in _DATA.items():
            for tag in tags:
                if tag in page.entries:
                    entries.append(_share(page.entries[tag], number, n_planes))
        yield directories.with_page(data, entries)


def _share(entry: Entry, number: int, n: int) -> Entry:
    """Of offsets or byte counts of all planes, one plane's."""
    count = entry.count // n
    assert entry.where is not None
    where = entry.where + number * count * entry.value_size
    return Entry(entry.tag, entry.kind, count, where, 0)


def _first(data: bytes) -> Page:
    at = directories.start(data)
    entries, _ = directories.directory(data, at)
    return Page(data, at, entries)
