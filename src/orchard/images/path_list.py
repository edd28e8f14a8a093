"""Lists of paths in a file, one per line, as editors on different systems save them."""

from __future__ import annotations

import codecs

from orchard.errors import ConfigError

# The longer first: UTF-32's little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def lines_of(text: str) -> list[str]:
    """The paths, without empty lines; any line ends. Spaces belong to a path."""
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return [line for line in lines if line.strip()]


def decoded(data: bytes, option: str, name: str) -> str:
    """UTF-8, or what a byte order mark says.

    Raises ConfigError if the bytes are in another encoding: it cannot be detected, and a wrong
    guess would name another file.
    """
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        n = data[: len(mark) + error.start].count(b"\n") + 1
        raise ConfigError(
            f"{option} {name}: line {n} is not {encoding.upper()}; save the list as UTF-8, or "
            f"convert it, for example: iconv -f LATIN1 -t UTF-8 {name}"
        ) from None
    if "\0" in text:
        raise ConfigError(
            f"{option} {name}: holds zero bytes, as UTF-16 without a byte order mark and lists "
            "by find -print0 do; expected UTF-8, one path per line"
        )
    return text
