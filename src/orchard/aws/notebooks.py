"""JupyterHub: its password, in place of a well-known one, and the notebook that it shows."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from orchard.aws.account import Account, code_of
from orchard.aws.run_job_flow import secret_name
from orchard.cloud.settings import TAG

BYTES = 18
NAME = "fruits.ipynb"
KEY = f"jupyter/jovyan/{NAME}"  # where EMR's JupyterHub keeps what the user jovyan sees
KERNEL = {"display_name": "PySpark", "language": "python", "name": "pysparkkernel"}
FIGURES = ("plt.subplots", ".plot_variance(", ".map(")
SHOW = "%matplot plt"  # Livy's: a cell's figure is a picture of the driver's


def set_password(account: Account, name: str) -> None:
    """Generate one for a stack; an earlier one is kept."""
    client = account.client("secretsmanager")
    with suppress(client.exceptions.ResourceExistsException):
        client.create_secret(
            Name=secret_name(name),
            SecretString=secrets.token_urlsafe(BYTES),
            Tags=[{"Key": TAG, "Value": name}],
        )


def password(account: Account, name: str) -> str:
    client = account.client("secretsmanager")
    return str(client.get_secret_value(SecretId=secret_name(name))["SecretString"])


def forget_password(account: Account, name: str) -> None:
    """At once, and as well where there is none."""
    client = account.client("secretsmanager")
    with suppress(client.exceptions.ResourceNotFoundException):
        client.delete_secret(SecretId=secret_name(name), ForceDeleteWithoutRecovery=True)


def put_example(account: Account, bucket: str) -> None:
    """Orchard's notebook where JupyterHub shows it, unless one lies there: it may be changed."""
    from botocore.exceptions import ClientError

    s3 = account.client("s3")
    try:
        s3.head_object(Bucket=bucket, Key=KEY)
    except ClientError as error:
        if code_of(error) != "404":
            raise
        body = json.dumps(for_the_cluster(example(), bucket), indent=1).encode()
        s3.put_object(Bucket=bucket, Key=KEY, Body=body)


def example() -> dict[str, Any]:
    """`notebooks/fruits.ipynb`, from the package or from the repository that it is run in."""
    packed = files("orchard.aws") / NAME
    if packed.is_file():
        return dict(json.loads(packed.read_text("utf-8")))
    found = Path(__file__).parents[3] / "notebooks" / NAME
    return dict(json.loads(found.read_text("utf-8")))


def for_the_cluster(notebook: dict[str, Any], bucket: str) -> dict[str, Any]:
    """With the bucket's places, the network that needs no download, and cells that show figures."""
    places = (
        f'SOURCE = "s3://{bucket}/images"  # what `orchard cluster submit` has uploaded\n'
        f'OUTPUT = "s3://{bucket}/results/notebook"  # a folder that may be overwritten\n'
        'WEIGHTS = "fruit"  # downloads nothing\n'
        "SIZE = 96  # pixels per side that the network sees\n"
        "N_IMAGES = 500  # a sample is enough to see the chain work"
    )

    def cell(old: dict[str, Any]) -> dict[str, Any]:
        text = "".join(old["source"])
        if "parameters" in old["metadata"].get("tags", ()):
            text = places
        elif old["cell_type"] == "code" and any(call in text for call in FIGURES):
            text = f"{text}\n{SHOW}"
        return old | {"source": text}

    cells = [cell(old) for old in notebook["cells"]]
    return notebook | {"cells": cells, "metadata": notebook["metadata"] | {"kernelspec": KERNEL}}
