"""Write the site's navigation into zensical.toml, and the list of decisions into docs/adr/index.md.

Both follow from the pages of docs/: their titles, and a decision's line of status and date.

python docs/navigation.py           write it
python docs/navigation.py --check   fail where it is out of date
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
SETTINGS = DOCS.parent / "zensical.toml"
DECISIONS = DOCS / "adr" / "index.md"
TABLE = re.compile(r"^\| decision \|.*\Z", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^nav = \[\n.*?^\]\n", re.MULTILINE | re.DOTALL)
SECTIONS = {
    "How to": ("how-to/own-folder.md", "how-to/notebook.md", "how-to/*.md"),
    "Explanation": ("explanation/one-pass.md", "explanation/*.md"),
    "Reference": ("reference.md", "python-api.md", "results.md", "*.md"),
    "Decisions": ("adr/index.md", "adr/*.md"),
}
FIRST = ("index.md", "tutorial.md", "live-report.md")


def navigation() -> str:
    seen = list(FIRST)
    lines = ["nav = [", *(f"  {entry(path)}," for path in FIRST)]
    for section, patterns in SECTIONS.items():
        pages = [p for pattern in patterns for p in matches(pattern)]
        pages = [p for p in dict.fromkeys(pages) if p not in seen]
        seen += pages
        lines += [f"  {{ {json.dumps(section)} = [", *(f"    {entry(p)}," for p in pages), "  ] },"]
    return "\n".join([*lines, "]\n"])


def matches(pattern: str) -> list[str]:
    return sorted(str(path.relative_to(DOCS)) for path in DOCS.glob(pattern))


def entry(path: str) -> str:
    title = (DOCS / path).read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    return f"{{ {json.dumps(title, ensure_ascii=False)} = {json.dumps(path)} }}"


def decisions() -> str:
    """A row for each decision; the second line of its page gives status and date, in italics."""
    lines = ["| decision | status | date |", "|---|---|---|"]
    for path in sorted(DECISIONS.parent.glob("0*.md")):
        title, state = path.read_text(encoding="utf-8").splitlines()[:2]
        found = re.fullmatch(r"\*(Accepted|Superseded by .+), (\d{4}-\d\d-\d\d)\*", state)
        if found is None:
            sys.exit(f"{path}: line 2 is {state!r}, expected such as *Accepted, 2026-11-21*")
        lines.append(f"| [{title.removeprefix('# ')}]({path.name}) | {found[1]} | {found[2]} |")
    return "\n".join([*lines, ""])


def bring_up_to_date(path: Path, block: re.Pattern[str], text: str) -> None:
    before = path.read_text(encoding="utf-8")
    after = block.sub(lambda _: text, before)
    if "--check" not in sys.argv:
        path.write_text(after, encoding="utf-8")
    elif after != before:
        sys.exit(f"{path.name} is out of date: run python docs/navigation.py")


if __name__ == "__main__":
    bring_up_to_date(SETTINGS, BLOCK, navigation())
    bring_up_to_date(DECISIONS, TABLE, decisions())
