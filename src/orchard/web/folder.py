"""A site into a folder that a web server, a bucket or a person takes as it is.

A folder may be served while it is written again: the parts come first, whose names nobody asks for
yet, then the pages, then the list and the worker, by which browsers notice; the old parts go last.
"""

from __future__ import annotations

import json
from pathlib import Path

from orchard.errors import ConfigError
from orchard.web.site import LIST, WORKER, Site


def write(site: Site, folder: Path) -> None:
    """Raises ConfigError where the folder holds files that are not a site's."""
    before = _listed(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(site.files, key=_turn):
        _put(folder / name, site.files[name])
    for name in before - set(site.files):
        (folder / name).unlink(missing_ok=True)


def _turn(name: str) -> tuple[int, str]:
    order = {LIST: 2, WORKER: 3}
    return order.get(name, 0 if name.endswith(".bin") else 1), name


def _listed(folder: Path) -> set[str]:
    """The files of the site that is there; empty where nothing is."""
    if not folder.exists():
        return set()
    if not folder.is_dir():
        raise ConfigError(f"DIR {folder}: expected a folder, this is a file")
    if not any(folder.iterdir()):
        return set()
    try:
        listed = json.loads((folder / LIST).read_bytes())
        files = [part["file"] for part in listed["parts"].values()]
        names = {str(name) for name in [*listed["shell"], *files]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(
            f"DIR {folder}: holds files that no `orchard app` wrote; name an empty or new folder"
        ) from None
    return {name for name in names if Path(name).name == name}


def _put(path: Path, content: bytes) -> None:
    """A reader sees the file before or the file after."""
    if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
        return
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    new.replace(path)
