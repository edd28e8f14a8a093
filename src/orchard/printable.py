"""Text from files, names and other people, made harmless to a terminal and to the eye.

A file name may hold any character: an escape sequence that rewrites the screen, a line end that
forges a second message, an override that turns "gpj.exe" round. What can do such things is shown
as Python writes it (\\x1b, \\n, \\u202e); all else, in every script, stays as it is.
"""

from __future__ import annotations

import re

# C0 and C1 controls and DEL; ARABIC LETTER MARK, LRM, RLM, the embeddings, overrides and isolates;
# line and paragraph separators; the byte order mark; surrogates, which no terminal can be sent;
# tags, which are invisible letters.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """`text` on one line, with what a terminal would obey as escapes.

    >>> printable("a\\x1b[31mb\\nc")
    'a\\\\x1b[31mb\\\\nc'
    """
    return _UNPRINTABLE.sub(_escaped, text)


def printable_json(text: str) -> str:
    """JSON whose strings hold what `printable` escapes, as the same JSON without it.

    json.dumps has escaped C0; what it leaves stands inside strings, where \\u escapes are equal.
    """
    return _UNPRINTABLE.sub(lambda found: _json_escaped(found[0]), text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _json_escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n] << 8 | units[n + 1]:04x}" for n in range(0, len(units), 2))
