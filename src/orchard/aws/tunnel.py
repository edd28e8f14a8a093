"""The web pages of a cluster's primary node on this machine, without an open port."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess

from orchard.errors import ConfigError

PAGES = {
    "YARN": (8088, "http"),
    "history server": (18080, "http"),
    "Spark UI": (20888, "http"),  # YARN's proxy, below which each application's UI lies
    "JupyterHub": (9443, "https"),
}


def ssm_command(instance: str, port: int, region: str, local: int | None = None) -> list[str]:
    """Session Manager's port forwarding; it needs aws and its session-manager-plugin."""
    parameters = {"portNumber": [str(port)], "localPortNumber": [str(local or port)]}
    return [
        *("aws", "ssm", "start-session", "--region", region, "--target", instance),
        *("--document-name", "AWS-StartPortForwardingSession"),
        *("--parameters", json.dumps(parameters)),
    ]


def ssh_command(host: str, port: int, key: str, local: int | None = None) -> list[str]:
    """The same through SSH, where `--ssh-from` has opened it for this address."""
    forward = f"127.0.0.1:{local or port}:{host}:{port}"
    return ["ssh", "-i", key, "-N", "-L", forward, f"hadoop@{host}"]


def address(page: str, local: int | None = None) -> str:
    port, scheme = PAGES[page]
    return f"{scheme}://127.0.0.1:{local or port}"


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
    return [command[0], *(["session-manager-plugin"] if "ssm" in command else [])]
