"""What makes Orchard importable in every Spark session of a cluster, a notebook's too.

JupyterHub's kernel sends its cells to Livy, which starts the session's driver on YARN: what such a
driver and its executors have is what the cluster's Spark defaults say.
"""

from __future__ import annotations

from orchard.aws.package import FOLDER
from orchard.cloud.settings import PYTHON, REGION_VARIABLES

INTERPRETER = f"/usr/bin/python{PYTHON}"


def session_settings(code: str, region: str, python: str = INTERPRETER) -> dict[str, str]:
    """Spark defaults under which `import orchard` works on YARN, in driver and executors.

    code: the archive's URL, which YARN unpacks beside each of them. python: their interpreter.
    """
    settings = {"spark.yarn.dist.archives": f"{code}#{FOLDER}", "spark.pyspark.python": python}
    variables = {"PYTHONPATH": f"./{FOLDER}", "PYSPARK_PYTHON": python}
    variables |= dict.fromkeys(REGION_VARIABLES, region)
    for place in ("spark.yarn.appMasterEnv", "spark.executorEnv"):
        settings |= {f"{place}.{name}": value for name, value in variables.items()}
    return settings
