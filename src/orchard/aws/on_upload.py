"""A run whenever new images are complete, without a machine that waits for them."""

from __future__ import annotations

from dataclasses import replace

from orchard.aws import stack, uploaded
from orchard.aws.backend import Backend
from orchard.aws.cluster import Cluster
from orchard.aws.job import describe
from orchard.aws.launch import Launch
from orchard.config import RunConfig
from orchard.errors import ConfigError

READY = "_READY"  # the object that says a batch of images is complete


def install(cluster: Cluster, backend: Backend, run: RunConfig, code: str) -> str:
    """Have EventBridge start the run when an object images/…_READY is put; its stack's name.

    Raises ConfigError on EC2: a cluster would have to be kept for it.
    """
    if not cluster.config.is_serverless:
        raise ConfigError("--on-upload: needs --backend serverless, which waits at no cost")
    what = replace(run, exclude=(*run.exclude, READY))
    url, distant = cluster.prepare(what, uploaded.NAME)
    application = backend.up()
    model = Launch(uploaded.NAME, cluster.config, application, None, url, describe(distant))
    uploaded.save_model(cluster.account, cluster.bucket, model)
    _, _, request = backend.request(url, code, application, alone=False)
    spark = request["jobDriver"]["sparkSubmit"]
    name = stack.upload_name(cluster.config.name)
    stack.ensure(
        cluster.account,
        name,
        "on_upload",
        {
            "Stack": cluster.config.name,
            "ApplicationId": application,
            "EntryPoint": spark["entryPoint"],
            "Job": url,
            "SparkSubmitParameters": spark["sparkSubmitParameters"],
            "TimeoutMinutes": str(cluster.config.timeout),
        },
        say=cluster.reporter.say,
    )
    stack.deploy(cluster.account, cluster.config, cluster.check_places(run), cluster.reporter.say)
    return name
