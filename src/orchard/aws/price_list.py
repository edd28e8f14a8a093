"""AWS's price list (the Pricing API) and Spot market, as rows of the price table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from orchard.cloud.prices import Prices

if TYPE_CHECKING:
    from orchard.aws.account import Account

_SPOT_DAYS = 7


def refresh(account: Account, region: str, types: Iterable[str] | None = None) -> Prices:
    """Ask AWS's price list and Spot market about a region, and keep the answers in the cache.

    types: of instances; by default all that the table holds there. Rows that AWS gives no answer
    for stay as they were, with their source.
    """
    prices = Prices.of(region)
    here, pricing = prices.table["regions"][region], account.client("pricing")
    for instance_type in list(types or here["instances"]):
        _instance(account, prices.table, region, instance_type)
    for found in _products(pricing, "ElasticMapReduce", regionCode=region):
        _serverless(here["serverless"], found, _source())
    _storage(pricing, here, region)
    here["refreshed"] = date.today().isoformat()
    prices.keep()
    return prices


def _source() -> str:
    return f"AWS's price list, {date.today().isoformat()}"


def _instance(account: Account, table: dict[str, Any], region: str, instance_type: str) -> None:
    """Put AWS's figures for an instance type into the table."""
    pricing, here = account.client("pricing"), table["regions"][region]
    for found in _products(
        pricing,
        "AmazonEC2",
        regionCode=region,
        instanceType=instance_type,
        operatingSystem="Linux",
        tenancy="Shared",
        preInstalledSw="NA",
        capacitystatus="Used",
        marketoption="OnDemand",
    ):
        attributes = found["product"]["attributes"]
        price = _price(found)
        table["types"][instance_type] = {
            "vcpus": int(attributes["vcpu"]),
            "memory_gib": int(float(attributes["memory"].split()[0].replace(",", ""))),
        }
        row = here["instances"].setdefault(instance_type, {"spot_hour": [price, price]})
        row |= {"hour": price, "source": _source()}
    for found in _products(
        pricing, "ElasticMapReduce", regionCode=region, instanceType=instance_type
    ):
        if found["product"]["attributes"].get("softwareType", "EMR") == "EMR":
            table["emr_fee"]["hour"][instance_type] = _price(found)
    if instance_type in here["instances"]:
        seen = _spot(account.client("ec2"), instance_type)
        if seen:
            here["instances"][instance_type]["spot_hour"] = [min(seen), max(seen)]


def _storage(pricing: Any, here: dict[str, Any], region: str) -> None:
    """S3's requests and both kinds of storage. Tier1 holds PUT and LIST, Tier2 GET."""
    s3, source = here["s3"], _source()
    for key, group in (("put_1000", "S3-API-Tier1"), ("get_1000", "S3-API-Tier2")):
        for found in _products(pricing, "AmazonS3", regionCode=region, group=group):
            s3 |= {key: 1000 * _price(found), "source": source}
    standard = {"volumeType": "Standard", "storageClass": "General Purpose"}
    for found in _products(pricing, "AmazonS3", regionCode=region, **standard):
        s3 |= {"gb_month": _price(found), "source": source}
    disks = {"productFamily": "Storage", "volumeApiName": "gp2"}  # the dearer of what EMR may take
    for found in _products(pricing, "AmazonEC2", regionCode=region, **disks):
        here["ebs_gb_month"] = {"value": _price(found), "source": source}


def _products(pricing: Any, service: str, **attributes: str) -> Iterator[dict[str, Any]]:
    filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in attributes.items()]
    pages = pricing.get_paginator("get_products").paginate(ServiceCode=service, Filters=filters)
    for page in pages:
        for text in page["PriceList"]:
            product = json.loads(text)
            if product.get("terms", {}).get("OnDemand"):
                yield product


def _price(product: dict[str, Any]) -> float:
    """USD per unit; of prices that fall with the quantity the first, which is the highest."""
    (term, *_) = product["terms"]["OnDemand"].values()
    dimensions = term["priceDimensions"].values()
    return max(float(dimension["pricePerUnit"]["USD"]) for dimension in dimensions)


def _serverless(rows: dict[str, Any], product: dict[str, Any], source: str) -> None:
    """A vCPU's or a GB's hour, identified by its usage type: EUW3-EMR-SERVERLESS-ARM-vCPUHours."""
    usage = product["product"]["attributes"].get("usagetype", "").lower()
    if "serverless" not in usage:
        return
    row = rows["arm64" if "arm" in usage else "x86_64"]
    for word, key in (("vcpu", "vcpu_hour"), ("memory", "gb_hour")):
        if word in usage:
            row |= {key: _price(product), "source": source}


def _spot(ec2: Any, instance_type: str) -> list[float]:
    history = ec2.get_paginator("describe_spot_price_history").paginate(
        InstanceTypes=[instance_type],
        ProductDescriptions=["Linux/UNIX"],
        StartTime=datetime.now(timezone.utc) - timedelta(days=_SPOT_DAYS),
    )
    return [float(item["SpotPrice"]) for page in history for item in page["SpotPriceHistory"]]
