"""Hadoop's servers as Maven artifacts, of the version that the installed PySpark is a client of.

Fetched once into `.cache/hadoop-VERSION`; ORCHARD_MAVEN names a mirror of Maven Central.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import urllib.request
from pathlib import Path

import pyspark

CENTRAL = "https://repo1.maven.org/maven2"
ROOT = Path(__file__).resolve().parents[2]
SPARK_JARS = Path(pyspark.__file__).parent / "jars"

# Of each version of Hadoop: its servers in one jar, and what that leaves out and they need.
PINNED = {
    "3.3.4": {  # PySpark 3.5
        "org/apache/hadoop/hadoop-client-minicluster/3.3.4/hadoop-client-minicluster-3.3.4.jar": (
            "cd8a1703393946c302bb3a52d0fcd23f6f8ded4554bc0dac5d2ee673dbe2b40e"
        ),
        "org/bouncycastle/bcprov-jdk15on/1.68/bcprov-jdk15on-1.68.jar": (
            "f732a46c8de7e2232f2007c682a21d1f4cc8a8a0149b6b7bd6aa1afdc65a0f8d"
        ),
        "org/bouncycastle/bcpkix-jdk15on/1.68/bcpkix-jdk15on-1.68.jar": (
            "fb8d0f8f673ad6e16c604732093d7aa31b26ff4e0bd9cae1d7f99984c06b8a0f"
        ),
    },
    "3.5.0": {  # PySpark 4.3
        "org/apache/hadoop/hadoop-client-minicluster/3.5.0/hadoop-client-minicluster-3.5.0.jar": (
            "06772d24529e59939915979b3edba204d367750ef7dc5120411f35221dd4818c"
        ),
        "org/bouncycastle/bcprov-jdk18on/1.82/bcprov-jdk18on-1.82.jar": (
            "14cde2fdfaa8890480a8e5b67aceef0c90f96682c1e23c133bafdc9e0b3255ce"
        ),
        "org/bouncycastle/bcpkix-jdk18on/1.82/bcpkix-jdk18on-1.82.jar": (
            "bdc723e20834832ac6af136cb5b5ff05e43b71d4fa151cc6510d9212ee086e63"
        ),
        "org/bouncycastle/bcutil-jdk18on/1.82/bcutil-jdk18on-1.82.jar": (
            "4420691958ad1c0ba275a6d6d8a6317adbdbdc9277055b6a72aa89c88cda8c7d"
        ),
    },
}


def hadoop_version() -> str:
    """Of the client that PySpark carries."""
    (client,) = SPARK_JARS.glob("hadoop-client-api-*.jar")
    found = re.fullmatch(r"hadoop-client-api-(.+)\.jar", client.name)
    assert found is not None
    return found[1]


def hadoop_jars() -> list[Path]:
    """The jars of the servers, fetched where they are not there yet."""
    version = hadoop_version()
    assert version in PINNED, f"PySpark carries Hadoop {version}; pinned here: {list(PINNED)}"
    folder = ROOT / ".cache" / f"hadoop-{version}"
    return [_fetched(path, sha256, folder) for path, sha256 in PINNED[version].items()]


def _fetched(path: str, sha256: str, folder: Path) -> Path:
    jar = folder / path.rpartition("/")[2]
    if not jar.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        part = jar.with_suffix(f".{os.getpid()}")
        repository = os.environ.get("ORCHARD_MAVEN", CENTRAL).rstrip("/")
        request = urllib.request.urlopen(f"{repository}/{path}", timeout=60)
        with request as response, part.open("wb") as file:
            shutil.copyfileobj(response, file)
        part.replace(jar)
    found = hashlib.sha256(jar.read_bytes()).hexdigest()
    assert found == sha256, f"{jar}: its SHA-256 is {found}, expected {sha256}; remove it"
    return jar
