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
_PHASE_ONE = (b"IIII", b"MMMM")
_SENSOR = (32803, 34892)  # colour filter array, linear raw
_WEBP = 50001
_RAW_COMPRESSIONS = (34713, 32767, 32769, 32770, 65535)  # Nikon, Sony, Epson, Samsung, Pentax
_PLACES = (273, 279, 324, 325)  # where strips and tiles are, and their byte counts
# What a plane has in common with the whole.
_OF_A_PLANE = (WIDTH, HEIGHT, COMPRESSION, 266, ORIENTATION, 278, 317, 322, 323, 347, 34675)
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
    """Whether it is a camera's raw file (DNG, NEF, CR2, ARW, PEF, SRW, IIQ, …)."""
    if data[8:10] == b"CR" or data[8:12] in _PHASE_ONE:
        return True
    found = pages(data)
    return bool(found) and (_DNG_VERSION in found[0].entries or any(page.is_raw for page in found))


def rare_kind(data: bytes) -> str | None:
    """Of a TIFF that only some builds of Pillow read: what to say where this one does not."""
    page = _first(data)
    if page is not None and page.value(COMPRESSION) == _WEBP:
        return "a TIFF with WebP inside; save it with another compression"
    if data.startswith(b"MM\0+"):
        return "a BigTIFF in big-endian order; save it in the other"
    return None


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


def openable(data: bytes) -> bytes:
    """A file whose header Pillow understands: the first plane alone where planes lie apart.

    Raises RejectedError (UNSUPPORTED) for signed samples, whose zero is no black, and for planes
    that are put together in no way known here.
    """
    page = _first(data)
    if page is None:
        return data
    if 2 in page.values(SAMPLE_FORMAT) and max(page.values(BITS), default=1) <= 16:
        raise RejectedError(Reason.UNSUPPORTED, "signed samples have no defined RGB")
    return next(_apart(page, 1)) if _mode(page) else data


def load(image: TiffImageFile, data: bytes) -> Image.Image:
    """The pixels of an opened page, plane by plane where they lie apart."""
    page = _first(data)
    if page is None or (mode := _mode(page)) is None:
        image.load()
        return image
    n = len(Image.new(mode, (1, 1)).getbands())
    planes = [_plane(image), *(_plane(TiffImageFile(BytesIO(one))) for one in _apart(page, n, 1))]
    if page.value(PHOTOMETRIC) == 0:
        planes[0] = Image.eval(planes[0], lambda value: 255 - value)
    found = Image.merge(mode, planes) if n > 1 else planes[0]
    found.info = image.info
    return found


def _mode(page: Page) -> str | None:
    """Of the planes that lie apart, put together; None where they do not.

    Raises RejectedError (UNSUPPORTED) for those of no such mode.
    """
    n, kind = page.value(SAMPLES, 1), page.value(PHOTOMETRIC)
    if page.value(PLANAR, 1) != 2 or n < 2:
        return None
    alpha = next(iter(page.values(EXTRA)), 0)
    mode = None
    if kind in _GREY:
        mode = {1: "La", 2: "LA"}.get(alpha, "L")
    elif kind == _RGB and n >= 3:
        mode = {1: "RGBa", 2: "RGBA"}.get(alpha, "RGB") if n > 3 else "RGB"
    elif kind == _CMYK and n >= 4:
        mode = "CMYK"
    is_whole = set(page.values(SAMPLE_FORMAT)) <= {1}  # numbers, not floats
    if mode is None or not is_whole or set(page.values(BITS)) not in ({8}, {16}):
        detail = f"separate planes of {page.value(BITS, 1)} bits, of colours of kind {kind}"
        raise RejectedError(Reason.UNSUPPORTED, detail)
    return mode


def _plane(image: TiffImageFile) -> Image.Image:
    image.load()
    return image if image.mode == "L" else colour.grey_to_8_bits(image)


def _apart(page: Page, n: int, first: int = 0) -> Iterator[bytes]:
    """For each plane from the first to the nth the file, beginning with a page of it alone."""
    n_planes = page.value(SAMPLES)
    single = {BITS: page.value(BITS), PHOTOMETRIC: 1, SAMPLES: 1, PLANAR: 1}
    same = [page.entries[tag] for tag in _OF_A_PLANE if tag in page.entries]
    same += [Entry(tag, 3, 1, None, value) for tag, value in single.items()]
    places = [page.entries[tag] for tag in _PLACES if tag in page.entries]
    for number in range(first, n):
        shares = [_share(entry, number, n_planes) for entry in places]
        yield directories.with_page(page.data, same + shares)


def _share(entry: Entry, number: int, n: int) -> Entry:
    """Of offsets or byte counts of all planes, one plane's."""
    count = entry.count // n
    assert entry.where is not None, "as every entry that was read"
    where = entry.where + number * count * entry.value_size
    return Entry(entry.tag, entry.kind, count, where)


def _first(data: bytes) -> Page | None:
    at = directories.start(data)
    try:
        return Page(data, at, directories.directory(data, at)[0])
    except EOFError:
        return None
