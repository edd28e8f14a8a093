"""What imports what: the package is light, its core knows no engine, its names are pinned."""

from __future__ import annotations

import subprocess
import sys
from pkgutil import walk_packages

import pytest

import orchard

HEAVY = (
    *("pyspark", "onnxruntime", "onnx", "h5py", "deltalake", "PIL", "matplotlib", "rich", "pandas"),
    *("boto3", "botocore", "jinja2", "scipy", "sklearn", "openvino"),
    *("starlette", "uvicorn", "prometheus_client"),
)
ENGINES = ("pyspark", "py4j", "boto3", "botocore", "deltalake")
MODULES = sorted(module.name for module in walk_packages(orchard.__path__, "orchard."))

ALONE = """
import importlib, sys
for name in {modules!r}:
    for earlier in [m for m in sys.modules if m.partition(".")[0] == "orchard"]:
        del sys.modules[earlier]  # libraries stay: each import is of Orchard alone
    try:
        importlib.import_module(name)
    except BaseException as error:
        print(name, repr(error))
"""


def in_a_new_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(code: str, names: tuple[str, ...]) -> set[str]:
    """Which of the modules are there after running the code in a new Python."""
    last = in_a_new_python(
        f"{code}\nimport sys; print(*(n for n in {names!r} if n in sys.modules))"
    )
    return set(last.splitlines()[-1].split())


def test_the_public_names_are_these() -> None:
    assert orchard.__all__ == [
        "OrchardError",
        "PackConfig",
        "Packed",
        "Predictor",
        "Result",
        "RunConfig",
        "TrainConfig",
        "__version__",
        "open",
        "pack",
        "run",
        "show",
        "start_spark",
        "train",
    ]
    assert all(getattr(orchard, name) is not None for name in orchard.__all__)
    assert dir(orchard) == sorted(orchard.__all__)
    with pytest.raises(AttributeError, match="module 'orchard' has no attribute 'walk'"):
        _ = orchard.walk


@pytest.mark.parametrize(
    "code",
    [
        "import orchard",
        "import orchard; orchard.RunConfig(sources=('a',), output='b')",
        "import orchard.errors, orchard.records",
        "from orchard.cli import main; main(['--help'], standalone_mode=False)",
        "from orchard.cli import main; main(['run', '--help'], standalone_mode=False)",
        "from orchard.cli import main; main(['serve', '--help'], standalone_mode=False)",
    ],
)
def test_importing_and_asking_for_help_loads_nothing_heavy(code: str) -> None:
    assert loaded_by(code, HEAVY) == set()


@pytest.mark.parametrize(
    "package", ["orchard.classify", "orchard.images", "orchard.model", "orchard.reduction"]
)
def test_the_core_loads_no_engine(package: str) -> None:
    modules = [name for name in MODULES if name == package or name.startswith(f"{package}.")]
    assert len(modules) > 1
    assert loaded_by(f"import {', '.join(modules)}", ENGINES) == set()
    assert loaded_by("import orchard.spark", ENGINES) == set()
    assert loaded_by("import orchard.spark.session", ENGINES) == {"pyspark", "py4j"}


@pytest.mark.long
def test_every_module_can_be_imported_first() -> None:
    assert "orchard.pipeline.steps" in MODULES
    code = ALONE.format(modules=MODULES)
    assert in_a_new_python(code) == ""
