"""The web pages of a cluster's nodes on this machine, without an open port.

Session Manager forwards one page. For the links between pages, which name the nodes, SSH through
Session Manager is a SOCKS proxy for the browser. Under encryption in transit all pages are https,
with certificates that EMR made and no browser knows.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from orchard.errors import ConfigError

SOCKS_PORT = 8157


@dataclass(frozen=True, slots=True)
class Page:
    """port, path: where it lies. is_on_nodes: on core and task nodes, else on the primary."""

    port: int
    path: str = "/"
    is_on_nodes: bool = False


# Ports as AWS's guide gives them for encryption in transit. YARN's is 8088 there; Hadoop's own
# default for https is 8090, for which `--port` is.
PAGES = {
    "YARN": Page(8088, "/cluster"),
    "Spark UI": Page(20888, "/proxy/{application}/"),
    "history server": Page(18480),
    "NameNode": Page(9871),
    "timeline server": Page(8190, "/applicationhistory"),
    "Livy": Page(8998, "/ui"),
    "JupyterHub": Page(9443),
    "NodeManager": Page(8044, "/node", True),
    "DataNode": Page(9865, "/", True),
}
PLACEHOLDER = "APPLICATION"  # of its id, which YARN's page lists


def ssm_command(instance: str, port: int, region: str, host: str | None = None) -> list[str]:
    """Session Manager's port forwarding, to another host from that instance where one is given."""
    parameters = {"portNumber": [str(port)], "localPortNumber": [str(port)]}
    document = "AWS-StartPortForwardingSession"
    if host:
        parameters["host"], document = [host], "AWS-StartPortForwardingSessionToRemoteHost"
    return [
        *("aws", "ssm", "start-session", "--region", region, "--target", instance),
        *("--document-name", document, "--parameters", json.dumps(parameters)),
    ]


def socks_command(instance: str, region: str, key: str) -> list[str]:
    """SSH as a SOCKS proxy, through Session Manager: port 22 stays closed.

    key: the file of the private key whose public half the cluster was given (`--key-name`).
    """
    proxy = (
        f"aws ssm start-session --region {region} --target %h "
        "--document-name AWS-StartSSHSession --parameters portNumber=%p"
    )
    return [
        *("ssh", "-i", key, "-N", "-D", f"127.0.0.1:{SOCKS_PORT}"),
        *("-o", f"ProxyCommand={proxy}", f"hadoop@{instance}"),
    ]


def address(page: Page, host: str, port: int | None = None, application: str | None = None) -> str:
    """A page's address. port: of this release, where it is another."""
    path = page.path.format(application=application or PLACEHOLDER)
    return f"https://{host}:{port or page.port}{path}"


def application_of(lines: Iterable[str]) -> str | None:
    """YARN's id of the application that wrote these lines, where they name it."""
    found = (re.search(r"\bapplication_\d+_\d+\b", line) for line in lines)
    return next((match[0] for match in found if match), None)


def open_tunnel(command: list[str]) -> int:
    """Hold the tunnel until Ctrl-C; its exit code. Raises ConfigError without the programs."""
    missing = [name for name in _needed(command) if shutil.which(name) is None]
    if missing:
        raise ConfigError(
            f"{' and '.join(missing)} is not installed; the tunnel would be: {shlex.join(command)}"
        )
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 0


def _needed(command: list[str]) -> list[str]:
    return [*dict.fromkeys([command[0], "aws", "session-manager-plugin"])]
