"""What `--weights` names, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from orchard.errors import ConfigError

MOST = 8


def named(weights: str) -> tuple[str, ...]:
    """What `--weights` names: one network, or several with commas between them.

    A file whose own name has a comma is one. Raises ConfigError where a name is empty or comes
    twice, or there are more than `MOST`.
    """
    if "," not in weights or Path(weights).expanduser().is_file():
        return (weights,)
    names = tuple(name.strip() for name in weights.split(","))
    if not all(names) or len(set(names)) < len(names) or len(names) > MOST:
        raise ConfigError(
            f"--weights {weights}: expected up to {MOST} different networks with commas between "
            "them, as in imagenet,fruit"
        )
    return names
