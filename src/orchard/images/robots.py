"""robots.txt: what a web server's owner lets programs read (RFC 9309).

A path may be read unless a rule for us, else for all, disallows it. The longest rule that matches
counts, and of equal ones that which allows; "*" stands for anything, "$" for the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

PRODUCT = "orchard"  # what groups of rules call us
MOST_BYTES = 500 * 1024  # that have to be read
_RULE = re.compile(r"^\s*(user-agent|allow|disallow)\s*:\s*([^#]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Robots:
    """rules: (pattern, whether it allows) of the groups that are for us."""

    rules: tuple[tuple[str, bool], ...] = ()

    @classmethod
    def parsed(cls, text: str) -> Robots:
        """The groups that name us, together; where there are none, those for all."""
        ours: list[tuple[str, bool]] = []
        all_: list[tuple[str, bool]] = []
        named: set[str] = set()
        is_named = begins = False
        for name, value in map(_rule, text.splitlines()):
            if name == "user-agent":
                named = {*named, value.lower()} if begins else {value.lower()}
                begins = True
                is_named |= PRODUCT in named
            elif name:
                begins = False
                if value:  # an empty one disallows nothing
                    ours += [(value, name == "allow")] if PRODUCT in named else []
                    all_ += [(value, name == "allow")] if "*" in named else []
        return cls(tuple(ours if is_named else all_))

    def allows(self, path: str) -> bool:
        """path: of a URL, with its query."""
        path = _spelled(path or "/")
        matching = [
            (len(pattern), allows) for pattern, allows in self.rules if _matches(pattern, path)
        ]
        return max(matching, default=(0, True))[1]


def _rule(line: str) -> tuple[str, str]:
    found = _RULE.match(line)
    return (found[1].lower(), found[2].strip()) if found else ("", "")


def _matches(pattern: str, path: str) -> bool:
    """Without backtracking over many "*", as a pattern may be written to cost much."""
    ends = pattern.endswith("$")
    first, *parts = _spelled(pattern.removesuffix("$")).split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for part in parts:
        found = path.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    if not ends:
        return True
    # The last part may stand further on, at the end.
    return at == len(path) or (bool(parts) and path.endswith(parts[-1]))


def _spelled(text: str) -> str:
    """One spelling of "%7E" and "~", of "é" and "%C3%A9"; what "%2F" hides stays hidden."""
    return quote(unquote(text.replace("%2F", "%252F").replace("%2f", "%252F")), "/*$?=&;:@+,!~'()")
