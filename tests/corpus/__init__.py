"""Good and bad image files, built from code at test time, so that no picture need be kept.

`build(directory)` writes them all, in folders that serve as labels, and returns what each must
become: a feature row, or an error row with that reason. The same call gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path

from corpus.bad import bad_files
from corpus.expected import Expected
from corpus.good import good_files
from corpus.names import named_files

__all__ = ["Expected", "bad_files", "build", "good_files", "named_files"]


def build(directory: Path) -> dict[Path, Expected]:
    """Write every file of the corpus under `directory` and return what is expected of each."""
    expected = {}
    for folder, files in (("good", good_files()), ("bad", bad_files()), ("names", named_files())):
        for name, (data, outcome) in files.items():
            path = directory / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            expected[path] = outcome
    return expected
