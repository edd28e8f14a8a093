"""Where data may lie: regions in member states of the EU, and no other.

eu-west-2 (London) and eu-central-2 (Zurich) have European names and lie outside the EU.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from orchard.errors import ConfigError

REGIONS = {
    "eu-central-1": "Frankfurt, Germany",
    "eu-west-1": "Dublin, Ireland",
    "eu-west-3": "Paris, France",
    "eu-north-1": "Stockholm, Sweden",
    "eu-south-1": "Milan, Italy",
    "eu-south-2": "Aragón, Spain",
}
OUTSIDE = {"eu-west-2": "London", "eu-central-2": "Zurich"}
# GetBucketLocation's names from before there were regions.
_LOCATIONS = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}


def check_region(region: str | None, what: str = "--region") -> str:
    """The region, where it lies in the EU. Raises ConfigError."""
    if region in REGIONS:
        return region
    allowed = ", ".join(REGIONS)
    if not region:
        raise ConfigError(f"{what}: no AWS region given; expected one in the EU: {allowed}")
    why = f": {OUTSIDE[region]} is not in the EU" if region in OUTSIDE else ""
    raise ConfigError(f"{what} {region}{why}; expected a region in the EU: {allowed}")


def bucket_of(url: str) -> str:
    """ "fruits" of "s3://fruits/photos". Raises ConfigError on anything but s3://."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        raise ConfigError(f"{url}: expected s3://BUCKET/FOLDER")
    return parts.netloc


def check_bucket(s3: Any, url: str) -> str:
    """The region of the bucket that a URL names, where it lies in the EU.

    s3: a boto3 client. Raises ConfigError, and botocore's errors where the bucket cannot be asked.
    """
    bucket = bucket_of(url)
    location = s3.get_bucket_location(Bucket=bucket).get("LocationConstraint")
    return check_region(_LOCATIONS.get(location, location), f"bucket {bucket} lies in")
