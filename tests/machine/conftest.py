"""How many steps the state machines took, at the end of the tests."""

from __future__ import annotations

from typing import Any

from machine.lifetime import COUNTS


def pytest_terminal_summary(terminalreporter: Any) -> None:
    titles = dict.fromkeys(name.partition(":")[0] for name in COUNTS)
    for title in titles:
        counts = {n.partition(": ")[2]: c for n, c in COUNTS.items() if n.startswith(f"{title}:")}
        steps = {n.removeprefix("step "): c for n, c in counts.items() if n.startswith("step ")}
        killed = {n: c for n, c in counts.items() if n.startswith("killed ")}
        terminalreporter.write_line(
            f"state machine {title}: {counts.get('examples', 0)} examples, "
            f"{counts.get('steps', 0)} steps ({_listed(steps)})"
            + (f"; {_listed(killed)}" if killed else "")
        )


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
