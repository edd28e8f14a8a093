"""`orchard cluster ui` on a cluster on EC2: one page, or a proxy for all of them."""

from __future__ import annotations

from collections.abc import Callable

from orchard.aws import logs, tunnel
from orchard.aws.emr import Ec2
from orchard.aws.launch import Launch
from orchard.aws.notebooks import password
from orchard.errors import ConfigError

Echo = Callable[[str], object]


def hold_page(
    backend: Ec2, launch: Launch, name: str, node: str | None, port: int | None, echo: Echo
) -> None:
    """Say a page's address here, and hold the tunnel to it until Ctrl-C.

    Raises ConfigError where a page of another node is asked for without saying whose.
    """
    page = tunnel.PAGES[name]
    if page.is_on_nodes and node is None:
        there = ", ".join(found["PrivateIpAddress"] for found in backend.nodes(launch))
        raise ConfigError(
            f"--page {name}: every core and task node has one; add --node ADDRESS, of {there}"
        )
    primary, region = backend.primary(launch)["Ec2InstanceId"], backend.account.region
    command = tunnel.ssm_command(primary, port or page.port, region, node)
    shown = tunnel.address(page, "127.0.0.1", port, _application(backend, launch))
    echo(f"{name}: {shown} (Ctrl-C closes the tunnel; the certificate is EMR's own)")
    if tunnel.PLACEHOLDER in shown:
        echo(f"{tunnel.PLACEHOLDER}: its id, as YARN's page lists it")
    _tell_password(backend, name, echo)
    tunnel.open_tunnel(command)


def hold_proxy(backend: Ec2, launch: Launch, key: str, echo: Echo) -> None:
    """Say the addresses of all pages as the nodes name them, and hold a SOCKS proxy to them."""
    primary = backend.primary(launch)
    if not backend.config.key_name:
        raise ConfigError(
            f"--socks: cluster {launch.cluster} knows no key; start it with `orchard cluster up "
            "--key-name NAME`, of a key pair of EC2"
        )
    application = _application(backend, launch)
    for name, page in tunnel.PAGES.items():
        for host in backend.nodes(launch) if page.is_on_nodes else [primary]:
            echo(f"{name}: {tunnel.address(page, host['PrivateDnsName'], None, application)}")
    _tell_password(backend, "JupyterHub", echo)
    echo(
        f"SOCKS 5 on 127.0.0.1:{tunnel.SOCKS_PORT}: have the browser use it for *.compute.internal,"
        " names looked up by the proxy (FoxyProxy does so); Ctrl-C closes it"
    )
    tunnel.open_tunnel(tunnel.socks_command(primary["Ec2InstanceId"], backend.account.region, key))


def _application(backend: Ec2, launch: Launch) -> str | None:
    if launch.job is None:
        return None
    bucket = backend.outputs["BucketName"]
    return tunnel.application_of(logs.lines(backend.account, bucket, backend.logs(launch)))


def _tell_password(backend: Ec2, page: str, echo: Echo) -> None:
    if page == "JupyterHub" and backend.config.notebooks:
        echo(f"user jovyan, password: {password(backend.account, backend.config.name)}")
