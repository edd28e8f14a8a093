"""What 100 million pictures of 4 kB would cost on AWS, by the estimate of `orchard cluster`.

python benchmarks/scale_money.py [IMAGES]
"""

from __future__ import annotations

import sys

from orchard.cloud.estimate import Workload, estimate
from orchard.cloud.settings import ClusterConfig

BYTES = 4096  # of a picture in a shard
RATE = 500.0  # images/s of a slot: cautious for `fruit` in int8, whose network alone does more
KINDS = {
    "EMR Serverless": ClusterConfig(region="eu-west-1", backend="serverless", workers=8),
    "EMR on EC2, on demand": ClusterConfig(
        region="eu-west-1", backend="ec2", core=1, task=7, spot=False
    ),
    "EMR on EC2, Spot": ClusterConfig(region="eu-west-1", backend="ec2", core=1, task=7),
}


def main() -> None:
    n = int((sys.argv[1:] or ["100_000_000"])[0].replace("_", ""))
    files = Workload(n_images=n, n_bytes=n * BYTES, images_per_second=RATE, uploads=n)
    print("| how | packed | hours | USD | of these, upload |\n|---|---|---|---|---|")
    for name, config in KINDS.items():
        for work in (files, files.packed()):
            found = estimate(config, work)
            low, high = (sum(getattr(i, k) for i in found.items) for k in ("low", "high"))
            hours = " to ".join(f"{minutes / 60:.1f}" for minutes in found.minutes)
            print(
                f"| {name} | {'yes' if work.packs else 'no'} | {hours} "
                f"| {low:,.0f} to {high:,.0f} | {found.puts[0]:,.0f} |"
            )


if __name__ == "__main__":
    main()
