"""Figures of a network beside those of the baseline, as a Markdown table."""

from __future__ import annotations

from typing import Any

TITLES = {
    "grocery": "phone photos: `train-…` → `val-…`",
    "axis": "another rotation axis",
    "varieties": "unseen varieties: apple, cherry, pear, tomato",
}


def table(figures: dict[str, Any], baseline: dict[str, Any] | None) -> list[str]:
    """Lines; one a protocol and number of components. ± is the 95 % interval, binomial."""
    name = f"`{figures['network']['name']}` at {figures['network']['size']}"
    other = "baseline"
    if baseline:
        other = f"`{baseline['network']['name']}` at {baseline['network']['size']}"
    lines = [
        f"| protocol | PCA | classes | photos | {name} | {other} |",
        "|---|---|---|---|---|---|",
    ]
    for measure, by_components in figures["figures"].items():
        for components, found in by_components.items():
            against = ((baseline or {}).get("figures", {}).get(measure, {})).get(components)
            lines.append(
                f"| {TITLES[measure]} | {components} | {found['classes']} | {found['asked']:,} | "
                f"{_cell(found)} | {_cell(against) if against else '–'} |"
            )
    return lines


def _cell(found: dict[str, Any]) -> str:
    text = f"{found['top1']:.3f} ± {found['half_width']:.3f}"
    if "by_seed" in found:
        text += f" (five seeds {min(found['by_seed']):.3f}–{max(found['by_seed']):.3f})"
    return text
