"""What AWS charges, by region, in USD without taxes: a dated table that AWS can refresh.

The table of the package is `prices.json`; each of its rows says where the figure was found. One
that was refreshed lies in the cache, beside the weights, and is used from then on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from orchard.errors import ConfigError
from orchard.model.weights import cache_dir

HOURS_A_MONTH = 730
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
class Prices:
    """The price table and the region that is asked about."""

    region: str
    table: dict[str, Any]

    @classmethod
    def of(cls, region: str) -> Prices:
        """The package's table, or what a refreshing made of it; an older package's is of no use."""
        table = json.loads((files("orchard.cloud") / "prices.json").read_text("utf-8"))
        cached = cache_dir() / _CACHED
        if cached.is_file():
            refreshed = json.loads(cached.read_text("utf-8"))
            table = refreshed if refreshed["date"] >= table["date"] else table
        return cls(region, table)

    def keep(self) -> None:
        """Store the table in the cache, to be used from now on."""
        path = cache_dir() / _CACHED
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

    def sources(self) -> list[tuple[str, str]]:
        """(what, where its figure was found) for all prices of the region."""
        here = self._here
        rows = [(name, row["source"]) for name, row in here["instances"].items()]
        rows += [
            (f"EMR Serverless, {cpu}", row["source"]) for cpu, row in here["serverless"].items()
        ]
        rows += [("EBS", here["ebs_gb_month"]["source"]), ("S3", here["s3"]["source"])]
        names = ("emr_fee", "public_ipv4_hour", "kms_key_month", "secret_month", "eur_per_usd")
        return rows + [(name.replace("_", " "), self.table[name]["source"]) for name in names]

    @property
    def _here(self) -> dict[str, Any]:
        return dict(self.table["regions"][self.region])
