"""What the machine and its shell must offer: names in UTF-8, a temporary folder, open files.

Where one is missing, whatever needs it first fails with a trace of its own; these checks say it in
one sentence instead, with the way out.
"""

from __future__ import annotations

import errno
import resource
import sys
import tempfile

from orchard.errors import ConfigError

# Spark's JVM opens some 330 archives, and sockets for each worker: 256 were too few, 400 enough
# for two workers.
OPEN_FILES = 512
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)


def check_names() -> None:
    """Raises ConfigError where this Python cannot read or write every file name.

    Paths in the tables are UTF-8, as they are on disks; under another encoding neither would be
    found by the other's name.
    """
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "") != "utf8":
        raise ConfigError(
            f"this Python reads file names as {encoding.upper()}: expected UTF-8; unset PYTHONUTF8 "
            "or set it to 1, or choose a locale such as LC_ALL=C.UTF-8"
        )


def check_open_files() -> None:
    """Raises ConfigError where Spark could not start; a JVM raises the soft limit by itself."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and most < OPEN_FILES:
        raise ConfigError(
            f"ulimit -n {most}: Spark needs at least {OPEN_FILES} open files, and more on many "
            "cores; raise the limit, for example: ulimit -n 4096"
        )


def temporary_folder() -> str:
    """The folder that Python chooses: TMPDIR, /tmp, /var/tmp, or where it was started.

    Raises ConfigError where none of them can be written.
    """
    try:
        return tempfile.gettempdir()
    except FileNotFoundError as error:
        raise _no_temporary_folder() from error


def lacking(error: BaseException) -> ConfigError | None:
    """What a library failed for, if that is one of these; its error or one that this came from."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _OUT_OF_FILES:
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            return ConfigError(
                f"ulimit -n {most}: too few open files for this command; raise the limit, for "
                "example: ulimit -n 4096"
            )
        if "No usable temporary directory" in str(seen):
            return _no_temporary_folder()
        seen = seen.__cause__ or seen.__context__
    return None


def _no_temporary_folder() -> ConfigError:
    return ConfigError(
        "no temporary folder: neither TMPDIR nor /tmp nor /var/tmp can be written; set TMPDIR to a "
        "folder that can"
    )
