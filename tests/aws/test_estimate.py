"""The estimate, the budget, the prices and the regions: without an account."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

import boto3
import pyarrow as pa
import pytest
from botocore.stub import Stubber

from aws.conftest import orchard
from orchard.aws import local, price_list, words
from orchard.aws.account import Account
from orchard.aws.price_list import refresh
from orchard.aws.words import estimate_tables
from orchard.cloud import regions
from orchard.cloud.estimate import (
    RANGE_BYTES,
    Workload,
    cheaper,
    estimate,
    guard,
    hourly,
    slots,
)
from orchard.cloud.prices import Prices, stale
from orchard.cloud.regions import OUTSIDE, REGIONS, check_bucket, check_region
from orchard.cloud.settings import ClusterConfig
from orchard.config import RunConfig
from orchard.errors import ConfigError
from orchard.images.containers.places import n_requests
from orchard.images.source import list_images
from orchard.model.weights import cache_dir

FRUITS = Workload(23_619, 100_000_000)


def config(**settings: Any) -> ClusterConfig:
    return ClusterConfig(**({"region": "eu-west-3"} | settings))


@pytest.mark.parametrize("region", [*OUTSIDE, "us-east-1", "eu-central-3", "", None])
def test_a_region_outside_the_eu_is_refused(region: str | None) -> None:
    with pytest.raises(ConfigError, match=r"expected .*in the EU: eu-central-1, eu-west-1"):
        check_region(region)
    with pytest.raises(ConfigError):
        config(region=region)


def test_london_and_zurich_are_told_apart_from_the_eu() -> None:
    with pytest.raises(ConfigError, match="eu-west-2: London is not in the EU"):
        check_region("eu-west-2")


@pytest.mark.parametrize(("where", "allowed"), [("eu-west-3", True), ("eu-west-2", False)])
def test_a_bucket_counts_by_where_it_lies(account: Account, where: str, allowed: bool) -> None:
    s3 = account.client("s3")
    elsewhere = boto3.client("s3", region_name=where)
    elsewhere.create_bucket(
        Bucket="photos", CreateBucketConfiguration={"LocationConstraint": where}
    )
    if allowed:
        assert check_bucket(s3, "s3://photos/fruit") == where
    else:
        with pytest.raises(ConfigError, match="bucket photos lies in eu-west-2: London"):
            check_bucket(s3, "s3://photos/fruit")


def test_a_bucket_of_the_old_default_region_is_american(account: Account) -> None:
    s3 = account.client("s3")
    with Stubber(s3) as stub:
        stub.add_response("get_bucket_location", {"LocationConstraint": ""}, {"Bucket": "old"})
        with pytest.raises(ConfigError, match="bucket old lies in us-east-1"):
            check_bucket(s3, "s3://old")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"name": "Fruits!"}, "--name Fruits!: expected 2 to 31 lower-case"),
        ({"idle": 59}, "--idle 59: expected 60 to 604800"),
        ({"idle": 604_801}, "--idle 604801: expected 60 to 604800"),
        ({"timeout": 4}, "--timeout 4: expected 5 to 720"),
        ({"backend": "ec2", "timeout": 14}, "--timeout 14: expected 15 or more on --backend ec2"),
        ({"release": "emr-5.0.0"}, "--release emr-5.0.0: expected emr-7.14.0 or emr-7.13.0"),
        ({"key_name": "mine"}, "--key-name: only nodes of --backend ec2 take one"),
        ({"subnet": "subnet-1"}, "--subnet: only nodes of --backend ec2 take one"),
        ({"bootstrap": "s3://b/x.sh"}, "--bootstrap: only nodes of --backend ec2 take one"),
        ({"instance_type": "large"}, "--instance-type large: expected an EC2 type"),
        ({"max_cost": 0}, "--max-cost 0: expected euros"),
        ({"notebooks": True}, "--notebooks: JupyterHub runs on --backend ec2"),
        (
            {"notebooks": True, "backend": "ec2", "release": "emr-spark-8.1.0"},
            "--notebooks: emr-spark-8.1.0 has no JupyterHub; choose --release emr-7.14.0 or emr-7",
        ),
        ({"package": "shapely"}, "--package shapely: expected NAME==VERSION, such as shapely=="),
        ({"workers": 0}, "--workers 0: expected 1 to 100"),
    ],
)
def test_a_wrong_setting_is_told(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config(**settings)
    assert str(raised.value).startswith(text)


def test_graviton_is_told_by_its_name() -> None:
    types = {"m5.xlarge": "x86_64", "m6g.xlarge": "arm64", "m7gd.2xlarge": "arm64"}
    assert {name: config(backend="ec2", instance_type=name).architecture for name in types} == types
    assert config(backend="ec2", instance_type="g5.xlarge").architecture == "x86_64"


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("backend", ["serverless", "ec2"])
def test_every_region_has_a_price_and_each_price_a_source(region: str, backend: str) -> None:
    found = estimate(config(region=region, backend=backend), FRUITS)
    low, high = found.total_eur
    assert 0 < low < high < found.worst_eur * 1.5
    assert all(0 <= item.low <= item.high for item in found.items)
    assert all(source for _, source in Prices.of(region).sources())


def test_the_estimate_of_serverless_is_hours_times_prices() -> None:
    """By hand: 4 workers of 4 vCPUs and 12 GB in Paris, at 0.06318 and 0.00689 USD an hour."""
    prices = Prices.of("eu-west-3")
    found = estimate(config(), FRUITS, prices)
    assert hourly(config(), prices) == pytest.approx(16 * 0.06318 + 48 * 0.00689)
    low, high = (minutes / 60 for minutes in found.minutes)
    assert found.items[0].low == pytest.approx(16 * 0.06318 * low)
    assert found.items[1].high == pytest.approx(48 * 0.00689 * high)
    assert slots(config(), prices) == 12
    # 23,619 images, 107 a second and slot, a vCPU from 0.4 to 0.8 of such a slot.
    assert found.minutes[0] == pytest.approx(1.0 + 0.5 + 23_619 / (107 * 12 * 0.8) / 60)
    assert found.minutes[1] == pytest.approx(4.0 + 2.0 + 23_619 / (107 * 12 * 0.4) / 60)


def test_spot_is_a_range_up_to_the_price_on_demand() -> None:
    names = {item.name: item for item in estimate(config(backend="ec2"), FRUITS).items}
    spot, demand = names["2 x m5.xlarge on Spot, else on demand"], names["2 x m5.xlarge on demand"]
    assert spot.low < demand.low
    assert spot.high == pytest.approx(demand.high)


def test_twice_the_workers_take_half_the_time_of_embedding() -> None:
    work = Workload(10_000_000, 0)
    one, two = (estimate(config(workers=n), work).minutes for n in (10, 20))
    assert two[1] - 6 == pytest.approx((one[1] - 6) / 2)


def test_what_may_cost_too_much_is_refused_before_anything_starts() -> None:
    found = estimate(config(), FRUITS)
    guard(config(max_cost=found.worst_eur), found)
    with pytest.raises(ConfigError, match=r"--max-cost 1: 1\.21 EUR an hour for up to 60 minutes"):
        guard(config(max_cost=1), found)


def test_the_worst_counts_the_longest_time_at_full_size_and_the_storage() -> None:
    found = estimate(config(backend="ec2", timeout=120), FRUITS)
    assert found.longest_minutes == 130, "nodes are paid for before the clock on them starts"
    rate = hourly(config(backend="ec2"), Prices.of("eu-west-3"))
    assert found.worst_eur == pytest.approx((rate * 130 / 60 + found.once) * 0.9)


def test_larger_nodes_have_larger_disks() -> None:
    def disks(kind: str) -> str:
        items = estimate(config(backend="ec2", instance_type=kind, max_cost=99), FRUITS).items
        return next(item.name for item in items if item.name.startswith("EBS"))

    assert disks("m5.xlarge") == f"EBS, {4 * (64 + 15)} GB"
    assert disks("m5.4xlarge") == f"EBS, {4 * (256 + 15)} GB"


def test_the_exchange_rate_that_was_given_is_what_max_cost_is_held_against() -> None:
    assert estimate(config(eur_per_usd=1.8), FRUITS).worst_eur == pytest.approx(
        2 * estimate(config(), FRUITS).worst_eur
    )
    with pytest.raises(ConfigError, match="--eur-per-usd 0: expected a rate"):
        config(eur_per_usd=0)


def test_what_would_not_end_in_time_is_refused() -> None:
    settings = config(timeout=5)
    with pytest.raises(ConfigError, match=r"--timeout 5: this takes \d+ to \d+ minutes"):
        guard(settings, estimate(settings, Workload(1_000_000, 0)))


def test_a_type_without_a_price_is_not_started() -> None:
    with pytest.raises(ConfigError, match=r"p4d.24xlarge: no price of it is known in eu-west-3"):
        estimate(config(backend="ec2", instance_type="p4d.24xlarge"), FRUITS)


def test_the_table_is_dated_and_names_its_exchange_rate() -> None:
    table = json.loads((files("orchard.cloud") / "prices.json").read_text())
    assert table["date"] == table["eur_per_usd"]["date"] == "2026-11-21"
    assert set(table["regions"]) == set(REGIONS)


# Refreshed from AWS's price list: as moto has none, by botocore's stubs.


def product(attributes: dict[str, str], usd: str) -> str:
    dimension = {"pricePerUnit": {"USD": usd}, "unit": "Hrs"}
    terms = {"OnDemand": {"T": {"priceDimensions": {"D": dimension}}}}
    return json.dumps({"product": {"attributes": attributes}, "terms": terms})


def test_prices_are_refreshed_from_aws_own_list(account: Account) -> None:
    pricing, ec2 = account.client("pricing"), account.client("ec2")
    machine = {"vcpu": "4", "memory": "16 GiB", "instanceType": "c7g.xlarge"}
    usage = "EUW3-EMR-SERVERLESS-{}vCPUHours"
    answers = [
        [product(machine, "0.1234")],
        [product({"softwareType": "EMR"}, "0.0300")],
        [
            product({"usagetype": usage.format("")}, "0.07"),
            product({"usagetype": usage.format("ARM-")}, "0.05"),
            product({"usagetype": "EUW3-EMR-SERVERLESS-MemoryGBHours"}, "0.008"),
            product({"usagetype": "EUW3-BoxUsage:m5.xlarge"}, "9"),
        ],
        [product({"group": "S3-API-Tier1"}, "0.0000061")],
        [product({"group": "S3-API-Tier2"}, "0.0000005")],
        [product({"volumeType": "Standard"}, "0.0260")],
        [],
    ]
    with Stubber(pricing) as prices_stub, Stubber(ec2) as spot_stub:
        for answer in answers:
            prices_stub.add_response("get_products", {"PriceList": answer})
        spot_stub.add_response(
            "describe_spot_price_history",
            {"SpotPriceHistory": [{"SpotPrice": "0.05"}, {"SpotPrice": "0.04"}]},
        )
        refreshed = refresh(account, "eu-west-3", ["c7g.xlarge"])
        prices_stub.assert_no_pending_responses()
    again = Prices.of("eu-west-3")
    assert again.table == refreshed.table, "it is kept, and found the next time"
    found = again.instance("c7g.xlarge")
    assert (found.vcpus, found.memory_gib, found.hour, found.fee) == (4, 16, 0.1234, 0.03)
    assert found.spot == (0.04, 0.05)
    assert again.serverless("x86_64") == (0.07, 0.008)
    assert again.serverless("arm64")[0] == 0.05
    assert again.s3 == pytest.approx({"gb_month": 0.026, "put_1000": 0.0061, "get_1000": 0.0005})
    assert again.ebs_gb_hour == pytest.approx(0.116 / 730), "AWS gave no answer: it stays"
    assert again.instance("m5.xlarge") == replace(again.instance("m5.xlarge"), hour=0.224)
    assert Prices.of("eu-west-1").date == "2026-11-21", "of another region nobody asked"
    kept = cache_dir() / "aws-prices.json"
    kept.write_text(json.dumps(refreshed.table | {"date": "2025-01-01"}))
    assert Prices.of("eu-west-3").serverless("arm64")[0] != 0.05, "a newer package's table wins"


def test_the_price_table_is_shown_with_its_date_and_sources(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = orchard("cluster", "prices", "--region", "eu-west-3")
    assert shown.exit_code == 0, shown.output
    text = " ".join(shown.stdout.split())
    assert text.startswith("prices of 2026-11-21 in eu-west-3, without tax")
    for row in Prices.of("eu-west-3").rows():
        assert row.source in text
        assert f"{row.usd[0]:.6g}" in text
    assert "the table that Orchard brings along; `estimate`, `run` and the report use" in text


def test_prices_refresh_asks_for_every_type_and_names_the_file_it_keeps(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(pricing: Any, service: str, **which: str) -> Iterator[dict[str, Any]]:
        asked.append(which.get("instanceType", service))
        if which.get("group") == "S3-API-Tier1":
            yield json.loads(product({}, "0.000007"))

    monkeypatch.setattr(price_list, "_products", answer)
    monkeypatch.setattr(price_list, "_spot", lambda *_: [])
    shown = orchard("cluster", "prices", "--refresh", "--region", "eu-west-3")
    assert shown.exit_code == 0, shown.output
    types = json.loads((files("orchard.cloud") / "prices.json").read_text())["types"]
    assert set(asked) >= set(types)
    assert f"kept in {cache_dir() / 'aws-prices.json'}" in "".join(shown.stdout.split("\n"))
    assert Prices.of("eu-west-3").s3["put_1000"] == pytest.approx(0.007)
    estimated = orchard("cluster", "estimate", "--images", 1_000_000, "--region", "eu-west-3")
    assert f"prices of {date.today().isoformat()}" in estimated.stdout
    assert f"{7 * 0.9:.2f}" in estimated.stdout, "the estimate reads what was kept"


def test_prices_older_than_90_days_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    day = date(2026, 11, 21)
    assert stale("2026-11-21", day + timedelta(days=90)) == ""
    late = stale("2026-11-21", day + timedelta(days=91))
    assert late == (
        "the prices are 91 days old; `orchard cluster prices --refresh` asks AWS for today's"
    )
    table = json.loads((files("orchard.cloud") / "prices.json").read_text())
    old = Prices("eu-west-3", table | {"date": "2024-01-01"})
    found = estimate(config(), FRUITS, old)
    shown = " ".join(str(part) for part in estimate_tables(config(), FRUITS, found))
    assert "Warning: the prices are " in shown, "`estimate`, `submit` and `run` show these words"
    fresh = estimate(config(), FRUITS, Prices("eu-west-3", table | {"date": f"{date.today()}"}))
    assert "Warning" not in " ".join(map(str, estimate_tables(config(), FRUITS, fresh)))


def test_where_puts_are_most_of_the_price_it_is_said_with_what_helps_today() -> None:
    shown = orchard("cluster", "estimate", "--images", 1_000_000, "--region", "eu-west-3")
    text = " ".join(shown.stdout.split())
    assert "Most of it, 4.77 to 5.72 EUR, is S3's price for the 1,000,000 PUT requests" in text
    assert "name it as SOURCE, s3://BUCKET/FOLDER" in text
    few = orchard("cluster", "estimate", "--images", 23_619, "--region", "eu-west-3")
    assert "PUT requests of the upload" not in few.stdout
    in_a_bucket = estimate(config(), Workload(1_000_000, 0))
    assert not in_a_bucket.puts_dominate
    assert not any("PUT" in item.name for item in in_a_bucket.items)


def test_both_ways_of_uploading_are_shown_and_the_cheaper_one_is_taken(tmp_path: Any) -> None:
    prices = Prices.of("eu-west-3")
    million = Workload(1_000_000, 5_000_000_000, uploads=1_000_000)
    packed = cheaper(million, prices)
    assert packed.packs
    assert packed.uploads == 58
    assert packed.n_gets < 1_000
    found = estimate(config(), packed, prices)
    assert [(way.name, way.puts, way.is_taken) for way in found.ways] == [
        ("as single files", 1_000_000, False), ("packed into shards", 58, True)
    ]  # fmt: skip
    single, shards = (way.usd[0] for way in found.ways)
    assert single == pytest.approx(5.3 + 0.42, abs=0.1)
    assert shards < 0.002
    assert not found.puts_dominate
    few = Workload(5_000, 25_000_000, uploads=5_000)
    assert cheaper(few, prices) is few, "nobody wants to wait for less than five cents"
    shown = estimate(config(), few, prices)
    assert [way.is_taken for way in shown.ways] == [True, False]
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
    text = " ".join(
        orchard("cluster", "estimate", tmp_path, "--region", "eu-west-3").stdout.split()
    )
    assert "as single files (this estimate)" in text
    assert "packed into shards" in text


def of(source: Any) -> RunConfig:
    return RunConfig(sources=str(source), output="unused")


def test_an_estimate_takes_the_sources_of_a_run(tmp_path: Any, photos: Any) -> None:
    rows = [f"{photos}/{label}/{n}.png" for label in ("apple", "lemon") for n in range(5)]
    rows += ["https://example.org/1.jpg", f"{photos}/apple/none.png"]
    (tmp_path / "list.csv").write_text("path\n" + "\n".join(rows) + "\n")
    arguments = ("cluster", "estimate", photos, "--manifest", tmp_path / "list.csv")
    arguments = (*arguments, "--region", "eu-west-3")
    shown = orchard(*arguments, "--backend", "ec2")
    assert shown.exit_code == 0, shown.stderr
    assert "11 images in eu-west-3" in shown.stdout, "the one that is not there is none"
    refused = orchard(*arguments)
    assert "EMR Serverless reaches no web server" in refused.stderr
    fewer = orchard(*arguments, "--backend", "ec2", "--include", "*.png", "--limit", "7")
    assert "6 images in eu-west-3" in fewer.stdout, "of seven rows"
    some = ("cluster", "estimate", photos, "--region", "eu-west-3", "--include", "apple/*")
    assert "10 images in eu-west-3" in orchard(*some).stdout


def test_archives_are_uploaded_whole_and_read_by_ranges(tmp_path: Any) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number in range(100):
            archive.addfile(tarfile.TarInfo(f"{number}.jpg"))
    assert local.measure_folders(of(tmp_path), "eu-west-3") == (100, 0, 1)
    images = list_images((str(tmp_path),)).placed
    assert n_requests(images, RANGE_BYTES) == 1


def test_what_costs_something_is_never_shown_as_nothing() -> None:
    assert words._euros(0.0, 0.00002, 0.004, 1.5) == ["0.00", "< 0.0001", "0.0040", "1.50"]


def test_images_that_lie_in_a_bucket_are_estimated_without_an_upload(
    monkeypatch: pytest.MonkeyPatch, photos: Any
) -> None:
    """Every image used to count as uploaded, wherever it lay."""
    kinds = {"s3://photos/a": (0, 3), str(photos): (3, 0)}
    for source, (n_local, n_distant) in kinds.items():
        paths = [f"{photos}/{i}.png" for i in range(n_local)]
        paths += [f"s3://photos/a/{i}.png" for i in range(n_distant)]
        table = pa.table({"path": paths, "size": [1000] * 3})
        images = SimpleNamespace(images=table, placed=table)
        monkeypatch.setattr(local, "list_images", lambda *_, **__: images)  # noqa: B023
        monkeypatch.setattr(regions, "check_bucket", lambda *_: "eu-west-3")
        assert local.measure_folders(of(source), "eu-west-3") == (3, 3000, n_local)
        shown = orchard("cluster", "estimate", source, "--region", "eu-west-3")
        assert ("PUT requests" in shown.stdout) is bool(n_local)


def test_a_type_that_emr_does_not_offer_is_not_started() -> None:
    prices = Prices.of("eu-west-3")
    del prices.table["emr_fee"]["hour"]["m5.xlarge"]
    with pytest.raises(ConfigError, match=r"m5\.xlarge: no price of it is known"):
        prices.instance("m5.xlarge")


def test_estimate_needs_no_account(monkeypatch: pytest.MonkeyPatch, photos: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    shown = orchard("cluster", "estimate", photos, "--region", "eu-west-3")
    assert shown.exit_code == 0
    assert "40 images in eu-west-3" in shown.stdout
    assert "At most 1.21 EUR" in shown.stdout
    refused = orchard("cluster", "estimate", photos, "--region", "eu-west-3", "--max-cost", "0.5")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("orchard: --max-cost 0.5: 1.21 EUR an hour")
    assert refused.stderr.count("\n") == 1


def test_a_slot_is_timed_on_the_images_themselves(photos: Any) -> None:
    shown = orchard(
        *("cluster", "estimate", photos, "--region", "eu-west-3"),
        *("--measure", "--weights", "fruit"),
    )
    assert shown.exit_code == 0
    assert "images/s per slot (measured)" in " ".join(shown.stdout.split())


def test_sources_of_prices_are_shown() -> None:
    shown = orchard(
        *("cluster", "estimate", "--images", 5, "--region", "eu-south-2", "--sources-of-prices")
    )
    assert "EMR Serverless, x86_64: unknown here: Paris' price" in shown.stdout


def test_two_networks_take_twice_as_long_and_store_twice_as_much() -> None:
    one = Workload(1_000_000, 0).by("imagenet")
    two = Workload(1_000_000, 0).by("imagenet,fruit")
    assert one == Workload(1_000_000, 0)
    assert two.images_per_second == one.images_per_second / 2
    assert estimate(config(), two).total_eur[0] > estimate(config(), one).total_eur[0]
    measured = Workload(1_000_000, 0, 80.0, is_measured=True).by("imagenet,fruit")
    assert (measured.images_per_second, measured.networks) == (80.0, 2)
