"""Putting the archive together; what it holds and that it runs is shown by `make test-package`."""

from __future__ import annotations

import venv
import zipfile
from pathlib import Path

import pytest

from orchard.aws import package
from orchard.errors import OrchardError


def test_a_python_without_pip_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(tmp_path / "empty", symlinks=True, with_pip=False)
    python = str(tmp_path / "empty/bin/python")
    monkeypatch.setattr(package, "_PIP", (python, "-m", "pip"))
    with pytest.raises(OrchardError) as raised:
        package.build()
    assert str(raised.value) == (
        f"pip builds the archive, and {python} has no pip; `python -m ensurepip` installs it"
    )
    assert not list((tmp_path / "cache").rglob("*.zip"))


def test_an_archive_of_the_cache_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "_install", lambda pins, folder, *_: folder.mkdir())
    made = package.build("arm64")
    assert made.name.startswith("orchard-arm64-py3.11-")
    before = made.stat().st_mtime_ns
    monkeypatch.setattr(package, "_install", None)
    assert package.build("arm64").stat().st_mtime_ns == before


def test_other_versions_make_another_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    pins = package.requirements("x86_64")
    assert not package.FROM_CLUSTER & {pin.split("==")[0] for pin in pins}
    names = {
        package._digest(pins, "x86_64", "3.11"),
        package._digest(pins, "arm64", "3.11"),
        package._digest(pins, "x86_64", "3.12"),
        package._digest([*pins[1:], "arro3-core==0.0.1"], "x86_64", "3.11"),
    }
    assert len(names) == 4


def wheel(folder: Path, name: str, needs: str = "") -> None:
    """A package of one empty module, as a wheel."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as made:
        made.writestr(f"{name}.py", "")
        made.writestr(f"{info}/METADATA", metadata)
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        made.writestr(f"{info}/RECORD", "")


def test_a_package_of_one_s_own_brings_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path, "mine", "Requires-Dist: needed\n")
    wheel(tmp_path, "needed")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    for alone, expected in ((True, {"mine.py"}), (False, {"mine.py", "needed.py"})):
        folder = tmp_path / str(alone)
        package._install(["mine==1.0"], folder, "x86_64", "3.11", alone)
        assert {path.name for path in folder.glob("*.py")} == expected


def test_packages_and_extras_make_another_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "_install", lambda pins, folder, *_: folder.mkdir())
    plain, more = package.build(), package.build(packages=("shapely==2.1.2",))
    for_notebooks = package.requirements("x86_64", extras=("s3", "ml"))
    assert plain.name != more.name
    assert {p.split("==")[0] for p in for_notebooks} > {"pandas", "boto3", "numpy"}
    assert not any(pin.startswith("pandas==") for pin in package.requirements("x86_64"))
