"""A notebook on the cluster imports Orchard, and finds an example that runs there."""

from __future__ import annotations

import json
from typing import Any

import nbformat

from aws.conftest import REGION, keys
from aws.test_flows import BUCKET
from orchard.aws import notebooks
from orchard.aws.account import Account
from orchard.aws.cluster import Cluster
from orchard.aws.run_job_flow import run_job_flow
from orchard.aws.session import session_settings
from orchard.cloud.settings import ClusterConfig
from tests.conftest import ROOT

CODE = f"s3://{BUCKET}/code/orchard-x86_64-py3.11-0123456789abcdef.zip"


def defaults(configurations: list[dict[str, Any]]) -> dict[str, str]:
    found = {item["Classification"]: item.get("Properties", {}) for item in configurations}
    return dict(found["spark-defaults"])


def test_a_session_has_the_archive_in_its_driver_and_its_executors() -> None:
    settings = session_settings("s3://b/code/c.zip", REGION)
    assert settings["spark.yarn.dist.archives"] == "s3://b/code/c.zip#orchard-code"
    assert settings["spark.pyspark.python"] == "/usr/bin/python3.11"
    for place in ("spark.yarn.appMasterEnv", "spark.executorEnv"):
        assert settings[f"{place}.PYTHONPATH"] == "./orchard-code"
        assert settings[f"{place}.PYSPARK_PYTHON"] == "/usr/bin/python3.11"
        assert settings[f"{place}.AWS_REGION"] == settings[f"{place}.AWS_DEFAULT_REGION"] == REGION


def test_up_gives_every_session_of_the_cluster_these_settings(
    account: Account, told: Any, code: Any
) -> None:
    sent: list[dict[str, Any]] = []
    account.client("emr", attempts=1).meta.events.register(
        "before-parameter-build.emr.RunJobFlow", lambda params, **_: sent.append(dict(params))
    )
    config = ClusterConfig(region=REGION, backend="ec2", notebooks=True)
    Cluster(account, config, told, code).start()
    assert CODE.removeprefix(f"s3://{BUCKET}/") in keys(BUCKET)
    found = defaults(sent[0]["Configurations"])
    assert session_settings(CODE, REGION).items() <= found.items()


def test_a_session_s_executors_leave_room_for_the_processes_that_embed() -> None:
    config = ClusterConfig(region=REGION, backend="ec2", notebooks=True)
    outputs = dict.fromkeys(("BucketName", "SubnetId", "PrimaryGroupId", "NodeGroupId"), "x")
    made = defaults(run_job_flow(config, outputs, code=CODE)["Configurations"])
    assert made["spark.executor.cores"] == "4"
    overhead = int(made["spark.executor.memoryOverhead"].removesuffix("m"))
    assert overhead > 4 * 512
    assert all(isinstance(value, str) for value in made.values()), "as EMR takes them"
    plain = run_job_flow(ClusterConfig(region=REGION, backend="ec2"), outputs)
    assert "spark.yarn.dist.archives" not in defaults(plain["Configurations"])


def test_the_archive_of_notebooks_has_pandas(cluster: Cluster, code: Any) -> None:
    asked: list[dict[str, Any]] = []

    def build(architecture: str, **settings: Any) -> Any:
        asked.append(settings)
        return code(architecture)

    config = ClusterConfig(region=REGION, backend="ec2", notebooks=True, package="shapely==2.1.2")
    made = Cluster(cluster.account, config, cluster.reporter, build)
    made.deploy()
    assert made.upload_code() == CODE
    assert asked == [{"extras": ("s3", "ml"), "packages": ("shapely==2.1.2",)}]


def test_the_notebook_lies_where_jupyterhub_shows_it_and_stays_as_it_was_changed(
    account: Account, code: Any, told: Any
) -> None:
    config = ClusterConfig(region=REGION, backend="ec2", notebooks=True)
    cluster = Cluster(account, config, told, code)
    cluster.deploy()
    assert "jupyter/jovyan/fruits.ipynb" in keys(BUCKET)
    s3 = account.client("s3")
    found = s3.get_object(Bucket=BUCKET, Key=notebooks.KEY)["Body"].read().decode()
    notebook = nbformat.reads(found, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "pysparkkernel"
    s3.put_object(Bucket=BUCKET, Key=notebooks.KEY, Body=b"mine")
    cluster.deploy()
    assert s3.get_object(Bucket=BUCKET, Key=notebooks.KEY)["Body"].read() == b"mine"


def test_the_notebook_of_the_cluster_is_that_of_the_repository_with_other_places() -> None:
    written = json.loads((ROOT / "notebooks/fruits.ipynb").read_text("utf-8"))
    made = notebooks.for_the_cluster(notebooks.example(), "b")
    pairs = list(zip(written["cells"], made["cells"], strict=True))
    changed = [
        (before, "".join(after["source"]))
        for before, after in pairs
        if "".join(before["source"]) != "".join(after["source"])
    ]
    (_, parameters), *figures = changed
    lines = [line.partition(" = ")[0] for line in parameters.splitlines()]
    assert lines == ["SOURCE", "OUTPUT", "WEIGHTS", "SIZE", "N_IMAGES"]
    assert "s3://b/results/notebook" in parameters, "where a cluster may write"
    assert len(figures) == 4
    for before, after in figures:
        assert after == "".join(before["source"]) + "\n%matplot plt"


def test_the_wheel_has_the_notebook() -> None:
    from tests.test_architecture import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"notebooks/fruits.ipynb": "orchard/aws/fruits.ipynb"}
    assert "notebooks" in settings["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]


def test_the_cells_that_show_figures_are_found() -> None:
    cells = [{"cell_type": "code", "metadata": {}, "source": ["x = 1\n", "x.plot_variance()"]}]
    made = notebooks.for_the_cluster({"cells": cells, "metadata": {}}, "b")
    assert made["cells"][0]["source"].endswith("x.plot_variance()\n%matplot plt")
