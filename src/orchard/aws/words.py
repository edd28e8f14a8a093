"""Estimates, states and bills as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table

from orchard.cloud.estimate import CloudEstimate, Item, Workload
from orchard.cloud.prices import Prices, stale
from orchard.cloud.releases import RELEASES
from orchard.cloud.settings import ClusterConfig

if TYPE_CHECKING:
    from orchard.aws.sweep import Found


def estimate_tables(
    config: ClusterConfig, work: Workload, found: CloudEstimate
) -> Iterable[Table | str]:
    where = f"{config.workers} workers of 4 vCPUs" if config.is_serverless else _nodes(config)
    yield (
        f"{work.n_images:,} images in {config.region}, {config.release} ({RELEASES[config.release]}"
        f"), {'EMR Serverless' if config.is_serverless else 'EMR on EC2'}, {where}"
    )
    yield bill_table(f"estimate, prices of {found.prices_date}", found.items, found.eur_per_usd)
    if warning := stale(found.prices_date):
        yield f"Warning: {warning}"
    if found.ways:
        yield ways_table(found)
    if found.puts_dominate:
        yield _of_uploads(work, found)
    low, high = found.minutes
    how = "measured" if work.is_measured else "as in docs/results.md; give your own with --rate"
    yield (
        f"Time: {low:.0f} to {high:.0f} minutes, from {work.images_per_second:.0f} images/s per "
        f"slot ({how})."
    )
    yield (
        f"At most {found.worst_eur:.2f} EUR: {found.hourly * found.eur_per_usd:.2f} EUR per hour "
        f"at full size on demand, stopped after {found.longest_minutes:.0f} minutes, and storage; "
        f"--max-cost {config.max_cost:g}."
    )


def _of_uploads(work: Workload, found: CloudEstimate) -> str:
    rate, (low, high) = found.eur_per_usd, found.puts
    return (
        f"Most of it, {low * rate:.2f} to {high * rate:.2f} EUR, is S3's price for the "
        f"{work.uploads:,} PUT requests of the upload, one for each image; it is the same whoever "
        "uploads them, and however large they are. Images that lie in a bucket in the EU already "
        "cost none: name it as SOURCE, s3://BUCKET/FOLDER. A shard of thousands costs what an "
        "image does: `orchard cluster run` packs a folder by itself where that is cheaper, and "
        "`orchard pack` writes shards into any folder or bucket."
    )


def ways_table(found: CloudEstimate) -> Table:
    """Single files against shards, by the requests that S3 charges for."""
    table = Table(title="requests to S3, by how the images are uploaded", title_justify="left")
    table.add_column("way")
    for name in ("PUT", "GET", "EUR, low", "high"):
        table.add_column(name, justify="right")
    for way in found.ways:
        euros = _euros(*(usd * found.eur_per_usd for usd in way.usd))
        taken = " (this estimate)" if way.is_taken else ""
        table.add_row(f"{way.name}{taken}", f"{way.puts:,}", f"{way.gets:,}", *euros)
    return table


def bill_table(title: str, items: Iterable[Item], eur_per_usd: float) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("item")
    for name in ("EUR, low", "high"):
        table.add_column(name, justify="right")
    low = high = 0.0
    for item in items:
        table.add_row(item.name, *_euros(item.low * eur_per_usd, item.high * eur_per_usd))
        low, high = low + item.low * eur_per_usd, high + item.high * eur_per_usd
    table.add_section()
    table.add_row("total, without tax", *_euros(low, high))
    return table


def price_tables(prices: Prices) -> Iterable[Table | str]:
    """The prices, with numbers for where they were found, and what the numbers mean."""
    table = Table(
        title=f"prices of {prices.date} in {prices.region}, without tax", title_justify="left"
    )
    for name in ("what", "per"):
        table.add_column(name)
    for name in ("USD", "source"):
        table.add_column(name, justify="right")
    numbers: dict[str, int] = {}
    for row in prices.rows():
        usd = " to ".join(f"{value:.6g}" for value in row.usd)
        number = numbers.setdefault(row.source, len(numbers) + 1)
        table.add_row(row.name, row.unit, usd, str(number))
    yield table
    yield from (f"{number}: {source}" for source, number in numbers.items())


def found_table(found: Iterable[Found]) -> Table:
    table = Table(title="Orchard on AWS", title_justify="left")
    for name in ("region", "what", "name", "state", "costs by the hour"):
        table.add_column(name, overflow="fold")
    for item in found:
        paid = "yes" if item.is_running else ""
        table.add_row(item.region, item.kind, item.name, item.state, paid)
    return table


def _nodes(config: ClusterConfig) -> str:
    task = f", {config.task} task{' on Spot' if config.spot else ''}" if config.task else ""
    return f"{config.instance_type}: primary, {config.core} core{task}"


def _euros(*values: float) -> list[str]:
    return [_euro(value) for value in values]


def _euro(value: float) -> str:
    """Never as nothing what costs something."""
    if 0 < value < 0.0001:
        return "< 0.0001"
    return f"{value:.4f}" if 0 < value < 0.01 else f"{value:.2f}"
