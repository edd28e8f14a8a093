"""The releases of EMR that Orchard starts, as AWS's release notes describe them.

All of them make the certificates of a cluster's nodes themselves (since emr-7.11.0), and have the
Python for which the archive of Orchard is made.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """What a label stands for.

    - spark, pythons: versions. until: the last day of AWS's standard support, as ISO.
    - applications: what a cluster on EC2 asks for. has_jupyterhub: whether it can be had as well.
    """

    spark: str
    pythons: tuple[str, ...]
    until: str
    applications: tuple[str, ...] = ("Hadoop", "Spark")
    has_jupyterhub: bool = True

    def __str__(self) -> str:
        return f"Spark {self.spark}, supported until {self.until}"


# Newest first of each line. The list of emr-spark-8 has neither Hadoop nor JupyterHub: HDFS and
# YARN come with its Spark.
RELEASES = {
    "emr-7.14.0": Release("3.5", ("3.9", "3.11"), "2028-09-08"),
    "emr-7.13.0": Release("3.5", ("3.9", "3.11"), "2028-04-21"),
    "emr-spark-8.1.0": Release("4.1", ("3.11", "3.13"), "2029-09-07", ("Spark",), False),
    "emr-spark-8.0.0": Release("4.0", ("3.11", "3.13"), "2027-05-20", ("Spark",), False),
}
WITH_JUPYTERHUB = tuple(label for label, release in RELEASES.items() if release.has_jupyterhub)
