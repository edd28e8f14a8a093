"""What AWS charges, by region, in USD without taxes: a dated table that AWS can refresh.

The table of the package is `prices.json`; each of its rows says where the figure was found. One
that was refreshed lies in the cache, beside the weights, and is used from then on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from orchard.errors import ConfigError
from orchard.model.weights import cache_dir

HOURS_A_MONTH = 730
STALE_DAYS = 90
_CACHED = "aws-prices.json"


@dataclass(frozen=True, slots=True)
class Instance:
    """USD an hour. spot: lowest and highest seen. fee: EMR's, on top, on Spot as well."""

    vcpus: int
    memory_gib: int
    hour: float
    spot: tuple[float, float]
    fee: float


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. usd: one price, or the lowest and the highest seen of a Spot price."""

    name: str
    usd: tuple[float, ...]
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class Prices:
    """The price table and the region that is asked about."""

    region: str
    table: dict[str, Any]

    @classmethod
    def of(cls, region: str) -> Prices:
        """The package's table, or what a refreshing made of it; an older package's is of no use."""
        table = json.loads((files("orchard.cloud") / "prices.json").read_text("utf-8"))
        if kept_in().is_file():
            refreshed = json.loads(kept_in().read_text("utf-8"))
            table = refreshed if refreshed["date"] >= table["date"] else table
        return cls(region, table)

    def keep(self) -> None:
        """Store the table in the cache, to be used from now on."""
        path = kept_in()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(self.table, indent=1) + "\n", encoding="utf-8")
        part.replace(path)

    @property
    def date(self) -> str:
        return str(self._here.get("refreshed", self.table["date"]))

    @property
    def eur_per_usd(self) -> float:
        return float(self.table["eur_per_usd"]["value"])

    def instance(self, name: str) -> Instance:
        """Raises ConfigError for a type that the table does not hold here."""
        here = self._here["instances"]
        fee = self.table["emr_fee"]["hour"].get(name)
        if name not in here or fee is None:
            raise ConfigError(
                f"--instance-type {name}: no price of it is known in {self.region}, and nothing "
                f"is started without one; known are {', '.join(here)} (`orchard cluster estimate "
                f"--instance-type {name} --refresh-prices` asks AWS for it)"
            )
        row, size = here[name], self.table["types"][name]
        low, high = row["spot_hour"]
        return Instance(size["vcpus"], size["memory_gib"], row["hour"], (low, high), fee)

    def serverless(self, architecture: str) -> tuple[float, float]:
        """USD for an hour of a vCPU, and of a GB of memory, on EMR Serverless."""
        row = self._here["serverless"][architecture]
        return row["vcpu_hour"], row["gb_hour"]

    @property
    def ebs_gb_hour(self) -> float:
        return float(self._here["ebs_gb_month"]["value"]) / HOURS_A_MONTH

    @property
    def s3(self) -> dict[str, float]:
        """gb_month, put_1000, get_1000."""
        return {key: value for key, value in self._here["s3"].items() if key != "source"}

    def fixed(self, name: str) -> float:
        """public_ipv4_hour, kms_key_month or secret_month."""
        return float(self.table[name]["value"])

    @property
    def is_refreshed(self) -> bool:
        """Whether the region's figures come from the cache, where AWS's answers are kept."""
        return "refreshed" in self._here

    def rows(self) -> Iterator[Row]:
        """All prices of the region."""
        here, fees = self._here, self.table["emr_fee"]
        for name, row in here["instances"].items():
            yield Row(name, (row["hour"],), "hour", row["source"])
            yield Row(f"{name} on Spot", tuple(row["spot_hour"]), "hour", row["source"])
            if fee := fees["hour"].get(name):
                yield Row(f"EMR's fee on {name}", (fee,), "hour", fees["source"])
        for cpu, row in here["serverless"].items():
            for key, unit in (("vcpu_hour", "vCPU hour"), ("gb_hour", "GB hour")):
                yield Row(f"EMR Serverless, {cpu}", (row[key],), unit, row["source"])
        ebs, s3 = here["ebs_gb_month"], here["s3"]
        yield Row("EBS", (ebs["value"],), "GB month", ebs["source"])
        for key, unit in (
            ("gb_month", "GB month"),
            ("put_1000", "1,000 PUT"),
            ("get_1000", "1,000 GET"),
        ):
            yield Row("S3", (s3[key],), unit, s3["source"])
        for key in ("public_ipv4_hour", "kms_key_month", "secret_month"):
            name, _, unit = key.rpartition("_")
            row = self.table[key]
            yield Row(name.replace("_", " "), (row["value"],), unit, row["source"])
        rate = self.table["eur_per_usd"]
        yield Row("EUR for a USD", (rate["value"],), "", rate["source"])

    def sources(self) -> list[tuple[str, str]]:
        """(what, where its figure was found) for all prices of the region."""
        return list(dict.fromkeys((row.name, row.source) for row in self.rows()))

    @property
    def _here(self) -> dict[str, Any]:
        return dict(self.table["regions"][self.region])


def kept_in() -> Path:
    """Where refreshed prices lie."""
    return cache_dir() / _CACHED


def stale(day: str, today: date | None = None) -> str:
    """What to say of prices of `day` (2026-11-21) if that is over 90 days ago; else nothing."""
    age = ((today or date.today()) - date.fromisoformat(day)).days
    if age <= STALE_DAYS:
        return ""
    return f"the prices are {age} days old; `orchard cluster prices --refresh` asks AWS for today's"
