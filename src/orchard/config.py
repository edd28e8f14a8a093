"""The settings of a run: one frozen object, validated once, passed whole."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchard.errors import ConfigError
from orchard.storage import Storage, is_remote

VIEWS = ("plain", "mirror", "zoom")
MIN_SIZE, MAX_SIZE = 32, 1024  # MobileNetV2 halves its input five times; 32 is the least it admits


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """What `orchard run` does; every field is an option of the command line of the same name.

    - sources: folders, files, glob patterns or URLs of buckets. output: the result's folder or URL.
    - weights: a name that `orchard models` lists, or a path to `.h5` or `.onnx`.
    - size: input pixels per side, default the model's own.
    - precision: of the network's arithmetic, "float32" or "bfloat16".
    - decode: "full", or "scaled": large JPEGs at a fraction of their size.
    - view: what the network is shown of an image, of VIEWS; its features are their mean.
    - components: a whole number, or a fraction of the variance in (0, 1).
    - pca: "refit", "keep" the stored one, or "auto": refit once a tenth of the features are new.
    - standardize: divide by the standard deviation before the PCA.
    - label: "parent" (name of the folder), "none", or a regular expression searched in the path,
      whose first group is the label.
    - include, exclude: globs, on the file name, or on the path below the source where they hold a
      "/". limit: the first N images by path.
    - master: Spark's master URL; "submitted" under `spark-submit`, which knows it.
      event_log: a folder for Spark's history server.
    - broadcast: send the model by Spark broadcast; else every worker reads `weights` itself.
    - max_errors: a number of images ("12"), or a share of them ("5%"), that may fail.
    - endpoint_url, region: of S3, where they are not what the environment says.
    - retry_errors: try again every image that failed, not only those whose reason can pass.
    - report: make the report at the end.
    - replace: compute OUTPUT anew. dry_run: list, plan and estimate, write nothing.

    Raises ConfigError where a value is out of range.
    """

    sources: tuple[str, ...]
    output: str
    weights: str = "imagenet"
    size: int | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    decode: Literal["full", "scaled"] = "full"
    view: tuple[str, ...] = ("plain",)
    components: int | float = 0.95
    pca: str = "auto"
    standardize: bool = True
    label: str = "parent"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    limit: int | None = None
    master: str = "local[*]"
    broadcast: bool = True
    max_errors: str = "100%"
    event_log: str | None = None
    endpoint_url: str | None = None
    region: str | None = None
    retry_errors: bool = False
    report: bool = True
    replace: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.sources, (str, os.PathLike)):
            raise ConfigError(
                f"sources={self.sources!r}: expected a tuple of paths, such as ({self.sources!r},)"
            )
        object.__setattr__(self, "sources", tuple(os.fspath(s) for s in self.sources))
        object.__setattr__(self, "output", os.fspath(self.output))
        if not self.sources:
            raise ConfigError("no SOURCE given: expected at least one folder, file or glob")
        if not all((*self.sources, self.output)):
            raise ConfigError("an empty SOURCE or OUTPUT: expected a folder, or . for this one")
        if re.search(r"%[0-9A-Fa-f]{2}|[\x00-\x1f\\\ud800-\udfff]", self.output_root):
            raise ConfigError(
                f"OUTPUT {self.output_root!r}: Delta tables cannot live in a folder whose path "
                "holds a percent escape, a backslash, a control character or bytes that are not "
                "UTF-8; choose another"
            )
        if is_remote(self.output) and re.search(r"[#?]", self.output_root):
            raise ConfigError(
                f"OUTPUT {self.output_root!r}: a URL ends at # or ?, so Delta tables cannot live "
                "there; choose another"
            )
        if self.size is not None and not MIN_SIZE <= self.size <= MAX_SIZE:
            raise ConfigError(
                f"--size {self.size}: expected a whole number of pixels from {MIN_SIZE} to "
                f"{MAX_SIZE}; the network was trained at 224"
            )
        if self.precision not in ("float32", "bfloat16"):
            raise ConfigError(f"--precision {self.precision}: expected float32 or bfloat16")
        if self.decode not in ("full", "scaled"):
            raise ConfigError(f"--decode {self.decode}: expected full or scaled")
        object.__setattr__(self, "view", tuple(self.view))
        if not self.view or len(set(self.view)) < len(self.view) or set(self.view) - set(VIEWS):
            raise ConfigError(
                f"--view {' '.join(self.view)}: expected each of {', '.join(VIEWS)} once at most"
            )
        _check_components(self.components)
        if self.pca not in ("auto", "refit", "keep"):
            raise ConfigError(f"--pca {self.pca}: expected auto, refit or keep")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"--limit {self.limit}: expected a whole number of at least 1")
        if not re.fullmatch(r"local(\[(\*|[1-9]\d*)\])?|spark://.+|yarn|submitted", self.master):
            raise ConfigError(
                f"--master {self.master}: expected local[*], local[N], spark://HOST:PORT or yarn, "
                "or submitted under spark-submit"
            )
        _label_pattern(self.label)
        self.allowed_errors(1)

    @property
    def is_local(self) -> bool:
        return self.master.startswith("local")

    @property
    def is_scaled(self) -> bool:
        return self.decode == "scaled"

    @property
    def output_root(self) -> str:
        """OUTPUT as an absolute path, or as the URL it is."""
        if is_remote(self.output):
            return self.output.rstrip("/")
        return str(Path(self.output).absolute())

    @property
    def storage(self) -> Storage:
        return Storage(self.endpoint_url, self.region)

    @property
    def label_pattern(self) -> re.Pattern[str] | None:
        """The compiled regular expression; None where label is "parent" or "none"."""
        return _label_pattern(self.label)

    def allowed_errors(self, n_images: int) -> int:
        """How many of n images may fail before the run does."""
        matched = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)\s?%", self.max_errors)
        if matched is None or (matched[2] and float(matched[2]) > 100):
            raise ConfigError(
                f"--max-errors {self.max_errors}: expected a number of images such as 10, or a "
                "share such as 5%"
            )
        if matched[1]:
            return int(matched[1])
        return int(n_images * float(matched[2]) / 100)


def parse_components(text: str) -> int | float:
    """`--components`: "50" → 50, "0.95" → 0.95, "95%" → 0.95. Raises ConfigError."""
    try:
        if text.endswith("%"):
            value: int | float = float(text[:-1]) / 100
        else:
            value = int(text) if text.strip().isdigit() else float(text)
    except ValueError:
        value = -1
    _check_components(value, text)
    return value


def _check_components(value: int | float, text: str | None = None) -> None:
    valid = value >= 1 if isinstance(value, int) else 0 < value < 1
    if not valid or isinstance(value, bool):
        given = value if text is None else text
        raise ConfigError(
            f"--components {given}: expected a whole number of at least 1 or a fraction in (0, 1); "
            "for 95 % of the variance write 0.95"
        )


def _label_pattern(label: str) -> re.Pattern[str] | None:
    if label in ("parent", "none"):
        return None
    try:
        pattern = re.compile(label)
    except re.error as error:
        raise ConfigError(f"--label {label}: not a regular expression: {error}") from None
    if pattern.groups < 1:
        raise ConfigError(
            f"--label {label}: expected parent, none, or a regular expression with a group, such "
            r"as '/([^/]+)_\d+\.jpg$'"
        )
    return pattern
