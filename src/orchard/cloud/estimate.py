"""What a run on AWS would take and cost, as a range with its items, and the most it could cost.

The time follows from one figure that can be measured anywhere: how many images per second one task
slot embeds. `orchard run --dry-run` times it on the images themselves; where nobody did, it is that
of docs/results.md for images of 100 x 100 pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from orchard.cloud.prices import HOURS_A_MONTH, Instance, Prices
from orchard.cloud.settings import WORKER_GB, WORKER_VCPUS, ClusterConfig
from orchard.errors import ConfigError
from orchard.model.named import named

IMAGES_PER_SECOND = 107.0  # of one slot on a core of its own: docs/results.md, 214 on two
# A cloud vCPU against such a core, lowest and highest. x86 sells half a core (a hyperthread) as a
# vCPU, Graviton a whole one. Assumed, never measured: no real account has run this.
SPEED = {
    "m5": (0.4, 0.7),
    "m6i": (0.45, 0.8),
    "m6g": (0.5, 0.8),
    "m7g": (0.6, 1.0),
    "c7g": (0.6, 1.0),
}
SPEED_ELSEWHERE = (0.4, 0.8)
START_MINUTES = {"serverless": (1.0, 4.0), "ec2": (6.0, 15.0)}
OVERHEAD_MINUTES = (0.5, 2.0)  # listing, PCA, figures, writing
# What EMR gives a node unasked: 64 GiB at 4 vCPUs, 128 at 8, 256 at 16; and the root volume.
EBS_GB_A_VCPU, EBS_ROOT_GB = 16, 15
GRACE_MINUTES = 10  # nodes are paid for before the clock on the cluster starts
REPEATED = 1.2  # requests to S3, at most, for each that is needed
RESULT_BYTES_AN_IMAGE = 8_000  # 1280 float32 and the components, as Parquet; of each network
# Of shards: about how large one is, what one request reads of it, and a member's header, padding
# and entry in the index.
SHARD_BYTES, RANGE_BYTES, BYTES_BESIDE = 100_000_000, 8 * 1024 * 1024, 800
PACKING_SAVES = 0.05  # USD at least, some 9,000 images: for less nobody wants to wait for it


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the bill, in USD."""

    name: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Workload:
    """images_per_second: of one slot. uploads: how many files are still to be uploaded. gets:
    requests that read them, one an image by default. networks: whose features are stored side by
    side. packs: whether those of local folders are
    packed into shards first; instead: the same without."""

    n_images: int
    n_bytes: int
    images_per_second: float = IMAGES_PER_SECOND
    is_measured: bool = False
    uploads: int = 0
    gets: int | None = None
    networks: int = 1
    packs: bool = False
    instead: Workload | None = None

    @property
    def n_gets(self) -> int:
        return self.n_images if self.gets is None else self.gets

    def by(self, weights: str) -> Workload:
        """The same for the networks that `--weights` names. A rate that nobody measured is shared:
        none is known to be faster than the default."""
        n = len(named(weights))
        shared = self.images_per_second / (1 if self.is_measured else n)
        return replace(self, networks=n, images_per_second=shared)

    def packed(self) -> Workload:
        """The same, the files to be uploaded packed into shards."""
        n_bytes = self.n_bytes + self.n_images * BYTES_BESIDE
        share = self.uploads / max(1, self.n_images)
        puts = math.ceil(n_bytes * share / SHARD_BYTES)
        read = math.ceil(n_bytes * share / RANGE_BYTES) + 2 * puts  # an index each, and borders
        gets = self.n_gets - self.uploads + read
        return replace(self, uploads=puts, gets=gets, packs=True, instead=self)


@dataclass(frozen=True, slots=True)
class Way:
    """One way of the images into the bucket and to the workers: requests, and their USD, lowest
    and highest. is_taken: by this estimate."""

    name: str
    puts: int
    gets: int
    usd: tuple[float, float]
    is_taken: bool


@dataclass(frozen=True, slots=True)
class CloudEstimate:
    """minutes and items: lowest and highest expected, in USD. hourly: USD at full size on demand.

    once: USD that do not depend on the time. longest_minutes: after which it is ended whatever
    happens. prices_date: of the price table. puts: USD for S3's PUT requests, one for each image
    that is uploaded; part of items. ways: what single files and shards would cost, where files are
    to be uploaded.
    """

    minutes: tuple[float, float]
    items: tuple[Item, ...]
    hourly: float
    once: float
    longest_minutes: float
    eur_per_usd: float
    prices_date: str
    puts: tuple[float, float] = (0.0, 0.0)
    ways: tuple[Way, ...] = ()

    @property
    def puts_dominate(self) -> bool:
        """Whether they are more than half of what is expected at least, and over a dollar."""
        return self.puts[0] > max(sum(item.low for item in self.items) / 2, 1.0)

    @property
    def total_eur(self) -> tuple[float, float]:
        low, high = sum(item.low for item in self.items), sum(item.high for item in self.items)
        return low * self.eur_per_usd, high * self.eur_per_usd

    @property
    def worst_eur(self) -> float:
        """The rate at full size, all on demand, times the longest time, and what is paid once."""
        return (self.hourly * self.longest_minutes / 60 + self.once) * self.eur_per_usd


def estimate(config: ClusterConfig, work: Workload, prices: Prices | None = None) -> CloudEstimate:
    """What embedding `work` would cost. Raises ConfigError for an instance type without a price."""
    prices = prices or Prices.of(config.region)
    low, high = _minutes(config, work, prices)
    compute = _serverless if config.is_serverless else _ec2
    storage = _storage(work, prices)
    items = (*compute(config, prices, low / 60, high / 60), *storage)
    once = sum(item.high for item in storage)
    rate = config.eur_per_usd or prices.eur_per_usd
    longest = config.timeout + (0 if config.is_serverless else GRACE_MINUTES)
    puts = _puts(work, prices)
    return CloudEstimate(
        (low, high),
        items,
        hourly(config, prices),
        once,
        longest,
        rate,
        prices.date,
        puts,
        _ways(work, prices),
    )


def cheaper(work: Workload, prices: Prices) -> Workload:
    """The workload with its uploads packed, where that saves more than it takes to do."""
    if not work.uploads or not work.n_bytes or work.packs:
        return work
    packed = work.packed()
    saved = _requests(work, prices)[0] - _requests(packed, prices)[0]
    return packed if saved > PACKING_SAVES else work


def guard(config: ClusterConfig, found: CloudEstimate) -> None:
    """Raise ConfigError where it could cost more than `--max-cost`, or would not end in time."""
    if found.worst_eur > config.max_cost:
        raise ConfigError(
            f"--max-cost {config.max_cost:g}: {found.hourly * found.eur_per_usd:.2f} EUR an hour "
            f"for up to {found.longest_minutes:.0f} minutes and storage of "
            f"{found.once * found.eur_per_usd:.2f} EUR may come to "
            f"{found.worst_eur:.2f} EUR; choose a smaller cluster, a shorter "
            "--timeout, or a higher --max-cost"
        )
    if found.minutes[0] > config.timeout:
        raise ConfigError(
            f"--timeout {config.timeout}: this takes {found.minutes[0]:.0f} to "
            f"{found.minutes[1]:.0f} minutes; allow more time or a larger cluster"
        )


def slots(config: ClusterConfig, prices: Prices) -> int:
    """How many images are embedded at once."""
    if config.is_serverless:
        return config.workers * WORKER_VCPUS
    return (config.core + config.task) * prices.instance(config.instance_type).vcpus


def ebs_gb(instance: Instance) -> int:
    """Of a node's disks."""
    return EBS_GB_A_VCPU * instance.vcpus + EBS_ROOT_GB


def hourly(config: ClusterConfig, prices: Prices) -> float:
    """USD an hour of everything that runs, all of it on demand."""
    if config.is_serverless:
        vcpu, gb = prices.serverless(config.architecture)
        return (config.workers + 1) * (WORKER_VCPUS * vcpu + WORKER_GB * gb)
    instance = prices.instance(config.instance_type)
    each = instance.hour + instance.fee + ebs_gb(instance) * prices.ebs_gb_hour
    each += prices.fixed("public_ipv4_hour")
    return (1 + config.core + config.task) * each


def speed(config: ClusterConfig) -> tuple[float, float]:
    """What a vCPU does of what a core here does, lowest and highest assumed."""
    if config.is_serverless:
        return SPEED_ELSEWHERE
    return SPEED.get(config.instance_type.split(".")[0], SPEED_ELSEWHERE)


def _minutes(config: ClusterConfig, work: Workload, prices: Prices) -> tuple[float, float]:
    slow, fast = speed(config)
    rate = work.images_per_second * slots(config, prices)
    start = START_MINUTES[config.backend]
    low = start[0] + OVERHEAD_MINUTES[0] + work.n_images / (rate * fast) / 60
    high = start[1] + OVERHEAD_MINUTES[1] + work.n_images / (rate * slow) / 60
    return low, high


def _serverless(config: ClusterConfig, prices: Prices, low: float, high: float) -> list[Item]:
    vcpu, gb = prices.serverless(config.architecture)
    n = config.workers + 1
    cpus, memory = n * WORKER_VCPUS * vcpu, n * WORKER_GB * gb
    return [
        Item(f"EMR Serverless, {n * WORKER_VCPUS} vCPUs", cpus * low, cpus * high),
        Item(f"EMR Serverless, {n * WORKER_GB} GB of memory", memory * low, memory * high),
    ]


def _ec2(config: ClusterConfig, prices: Prices, low: float, high: float) -> list[Item]:
    instance = prices.instance(config.instance_type)
    fixed, task = 1 + config.core, config.task
    n, kind, disk = fixed + task, config.instance_type, ebs_gb(instance)
    items = [Item(f"{fixed} x {kind} on demand", *_times(fixed * instance.hour, low, high))]
    if task and config.spot:
        # Where there is no Spot to be had, the task nodes are bought on demand.
        cheap, dear = task * instance.spot[0] * low, task * instance.hour * high
        items.append(Item(f"{task} x {kind} on Spot, else on demand", cheap, dear))
    elif task:
        items.append(Item(f"{task} x {kind} on demand", *_times(task * instance.hour, low, high)))
    ipv4, key = prices.fixed("public_ipv4_hour"), prices.fixed("kms_key_month") / HOURS_A_MONTH
    return [
        *items,
        Item("EMR's fee", *_times(n * instance.fee, low, high)),
        Item(f"EBS, {n * disk} GB", *_times(n * disk * prices.ebs_gb_hour, low, high)),
        Item(f"{n} public IPv4 addresses", *_times(n * ipv4, low, high)),
        Item("KMS key", *_times(key, low, high)),
    ]


def _times(rate: float, low: float, high: float) -> tuple[float, float]:
    return rate * low, rate * high


def _ways(work: Workload, prices: Prices) -> tuple[Way, ...]:
    if not work.uploads or not work.n_bytes:
        return ()
    single, packed = (work.instead or work), (work if work.packs else work.packed())
    pair = (("as single files", single), ("packed into shards", packed))
    return tuple(
        Way(name, one.uploads, one.n_gets, _requests(one, prices), one.packs == work.packs)
        for name, one in pair
    )


def _requests(work: Workload, prices: Prices) -> tuple[float, float]:
    """USD for PUT and GET requests."""
    usd = work.uploads / 1000 * prices.s3["put_1000"] + work.n_gets / 1000 * prices.s3["get_1000"]
    return usd, usd * REPEATED


def _puts(work: Workload, prices: Prices) -> tuple[float, float]:
    """One for each image that is uploaded, and some again where the line drops."""
    usd = work.uploads / 1000 * prices.s3["put_1000"]
    return usd, usd * REPEATED


def _storage(work: Workload, prices: Prices) -> list[Item]:
    s3 = prices.s3
    gigabytes = (work.n_bytes + work.n_images * work.networks * RESULT_BYTES_AN_IMAGE) / 1e9
    gets = work.n_gets / 1000 * s3["get_1000"]
    day = gigabytes * s3["gb_month"] / 30
    uploads = [Item(f"S3, {work.uploads:,} PUT requests", *_puts(work, prices))]
    return [
        *(uploads if work.uploads else []),
        Item(f"S3, {work.n_gets:,} GET requests", gets, gets * REPEATED),
        Item(f"S3, {gigabytes:.2f} GB for a day or a month", day, 30 * day),
    ]
