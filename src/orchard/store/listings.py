"""listings/: what archives held when a run listed them (see `images.containers.remembered`).

Nothing in it is of an image that was erased; erasing and readmitting delete it whole.
"""

from __future__ import annotations

from orchard.errors import TableError
from orchard.images.containers import names
from orchard.images.containers.files import Container
from orchard.images.containers.members import Known
from orchard.images.containers.remembered import Memory, packed
from orchard.store.output import Output
from orchard.store.suppression import Suppression

FOLDER = "listings"


def memory(output: Output) -> Memory:
    """What OUTPUT remembers; of a place that cannot be read, nothing."""
    try:
        paths = output.paths(FOLDER)
    except TableError:  # said where the tables are opened
        paths = []

    def find(key: str) -> bytes | None:
        try:
            return output.find(_path(key))
        except TableError:
            return None

    keys = (path.removeprefix(f"{FOLDER}/").removesuffix(".arrow") for path in paths)
    return Memory(find, frozenset(keys))


def keep(output: Output, found: Memory) -> None:
    """Write what a run found anew, and delete what it did not use."""
    suppression = Suppression.load(output)
    for key, (container, known) in found.new.items():
        output.put(_path(key), packed(known, _allowed(suppression, container, known)))
    stale = found.present - found.used - found.new.keys()
    if stale:
        output.delete([_path(key) for key in sorted(stale)])


def _allowed(suppression: Suppression, container: Container, known: Known) -> list[bool]:
    paths = [f"{container.path}{names.SEPARATOR}{name}" for name, _, _ in known.rows]
    return suppression.allowed(paths).to_pylist()


def _path(key: str) -> str:
    return f"{FOLDER}/{key}.arrow"
