"""Write the site's navigation into zensical.toml, from the pages of docs/ and their titles.

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
BLOCK = re.compile(r"^nav = \[\n.*?^\]\n", re.MULTILINE | re.DOTALL)
SECTIONS = {
    "How to": ("how-to/own-folder.md", "how-to/notebook.md", "how-to/*.md"),
    "Explanation": ("explanation/one-pass.md", "explanation/*.md"),
    "Reference": ("reference.md", "python-api.md", "results.md", "*.md"),
    "Decisions": ("adr/index.md", "adr/*.md"),
}
FIRST = ("index.md", "tutorial.md")


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


if __name__ == "__main__":
    before = SETTINGS.read_text(encoding="utf-8")
    after = BLOCK.sub(lambda _: navigation(), before)
    if "--check" not in sys.argv:
        SETTINGS.write_text(after, encoding="utf-8")
    elif after != before:
        sys.exit("the navigation in zensical.toml is out of date: run python docs/navigation.py")
