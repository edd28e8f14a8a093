"""YARN, asked before Spark is: Spark waits a quarter of an hour for a ResourceManager that does not
answer, and without end for a cluster that has no nodes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyspark

from orchard.errors import ConfigError
from orchard.spark.jobs import sentence, text_of

_FOLDERS = ("HADOOP_CONF_DIR", "YARN_CONF_DIR")
_SITE = "yarn-site.xml"
_ADDRESS = "yarn.resourcemanager.address"
# Of this one question; the run itself is as patient as the cluster's own settings say, since a
# ResourceManager may be started anew beneath it.
_PATIENCE = {
    "yarn.resourcemanager.connect.max-wait.ms": 6_000,  # in intervals: it is asked four times
    "yarn.resourcemanager.connect.retry-interval.ms": 2_000,
    "ipc.client.connect.timeout": 5_000,
    "ipc.client.connect.max.retries": 0,  # those above repeat it
    "ipc.client.connect.max.retries.on.timeouts": 0,
    "ipc.client.rpc-timeout.ms": 5_000,
}


def check_settings() -> None:
    """Raises ConfigError where no folder with the cluster's settings is named."""
    named = [folder for name in _FOLDERS if (folder := os.environ.get(name))]
    if not named:
        raise ConfigError(
            "--master yarn: expected HADOOP_CONF_DIR or YARN_CONF_DIR to name the folder with the "
            f"cluster's {_SITE}; on a node of the cluster it is /etc/hadoop/conf"
        )
    if not any(Path(folder, _SITE).is_file() for folder in named):
        raise ConfigError(
            f"--master yarn: there is no {_SITE} in {' or '.join(named)}, to which HADOOP_CONF_DIR "
            "and YARN_CONF_DIR lead; on a node of the cluster the folder is /etc/hadoop/conf"
        )


def check_cluster(settings: Mapping[str, str]) -> None:
    """Raises ConfigError where the ResourceManager does not answer in some 30 seconds, or has no
    nodes. Starts the JVM, where none runs, with the settings that Spark is to have."""
    context = pyspark.SparkContext
    context._ensure_initialized(conf=pyspark.SparkConf().setAll(list(settings.items())))
    jvm: Any = context._jvm
    spark = jvm.org.apache.spark
    hadoop = spark.deploy.SparkHadoopUtil.get().newConfiguration(spark.SparkConf())
    hadoop = jvm.org.apache.hadoop.yarn.conf.YarnConfiguration(hadoop)
    for name, value in _PATIENCE.items():
        hadoop.set(name, str(value))
    client = jvm.org.apache.hadoop.yarn.client.api.YarnClient.createYarnClient()
    try:
        client.init(hadoop)
        client.start()
        n_nodes = client.getYarnClusterMetrics().getNumActiveNodeManagers()
    except Exception as error:  # whatever Hadoop's client failed with
        raise ConfigError(
            f"--master yarn: the ResourceManager at {hadoop.get(_ADDRESS)} does not answer; check "
            f"that it runs, that this machine reaches it and that {_SITE} names it: "
            f"{sentence(text_of(error))}"
        ) from None
    finally:
        client.stop()
    if not n_nodes:
        raise ConfigError(
            f"--master yarn: the ResourceManager at {hadoop.get(_ADDRESS)} has no NodeManager to "
            "run anything on; wait until one has joined it, or look at their logs"
        )
