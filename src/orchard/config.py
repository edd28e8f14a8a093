"""The settings of a run: one frozen object, validated once, passed whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Predicate

from orchard.errors import ConfigError
from orchard.settings import Expected, settle
from orchard.storage import Storage, is_remote, local_path
from orchard.storage.web_access import WebAccess

VIEW_NAMES = ("plain", "mirror", "zoom", "near")
OF_OPENVINO = ("int8-openvino", "bfloat16")
PRECISIONS = ("float32", "int8", *OF_OPENVINO)
MIN_SIZE, MAX_SIZE = 32, 1024  # MobileNetV2 halves its input five times; 32 is the least it admits
COLUMN = "column:"  # before the name, in --label column:NAME
_MASTER = re.compile(r"local(\[(\*|[1-9]\d*)\])?|spark://.+|sc://.+|yarn|submitted")
_COMPONENTS = (
    "a whole number of at least 1 or a fraction in (0, 1); for 95 % of the variance write 0.95"
)


def _are_views(names: tuple[str, ...]) -> bool:
    return bool(names) and len(set(names)) == len(names) and set(names) <= set(VIEW_NAMES)


def _is_master(url: str) -> bool:
    return bool(_MASTER.fullmatch(url))


def _read_label(value: Any) -> Any:
    return "none" if value is None else value


def _read_components(value: Any) -> Any:
    return parse_components(str(value)) if isinstance(value, str | int | float) else value


def _share_of(text: str) -> re.Match[str] | None:
    """Group 1: a number of images; group 2: percent."""
    matched = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)\s?%", text)
    return None if matched and matched[2] and float(matched[2]) > 100 else matched


def _is_share(text: str) -> bool:
    return _share_of(text) is not None


def _read_errors(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """What `orchard run` does; every field is an option of the command line of the same name.

    - sources: folders, files, glob patterns or URLs of buckets. output: the result's folder or URL.
    - weights: a name that `orchard models` lists, or a path to `.h5` or `.onnx`; several with
      commas between them run side by side, each image decoded once for all.
    - size: input pixels per side, default the model's own.
    - precision: of the network's arithmetic, of PRECISIONS.
    - decode: "full", or "scaled": large JPEGs at a fraction of their size.
    - colour: "srgb" converts from an image's colour profile, "ignore" takes its samples as they
      are.
    - damaged: a JPEG of which part is lost becomes an error ("refuse"), or features of what is
      left ("keep"). max_pixels: of an image, before it is decoded.
    - view: what the network is shown of an image, of VIEW_NAMES; its features are their mean.
    - components: a whole number, or a fraction of the variance in (0, 1).
    - pca: "refit", "keep" the stored one, or "auto": refit once a tenth of the features are new
      or gone.
    - standardize: divide by the standard deviation before the PCA.
    - label: "parent" (name of the folder, or what an archive or table says of its member), "none",
      "column:NAME" (of a table of images, or of the files beside an image in a WebDataset shard),
      or a regular expression searched in the path, whose first group is the label. With a manifest,
      "parent" is its own column of labels, where it has one, and "column:NAME" another.
    - manifest: a CSV or Parquet file, here or in a bucket, that names the images, by paths or URLs;
      sources may then give the one folder that its paths are relative to. labels: such a file that
      gives labels, by path, name or stem. exclude_from: a list of paths, one per line, that are
      left out. Of a decisions file (path, decision, label), labels takes the relabels and
      exclude_from the drops. keep_columns: of these files, into the tables.
    - web_rate: requests per second to a web server that a manifest names. web_private: ask servers
      too that are not on the public Internet.
    - include, exclude: globs, on the file name, or on the path below the source where they hold a
      "/". limit: the first N images by path.
    - master: Spark's master URL, or that of a Spark Connect server; "submitted" under
      `spark-submit`, which knows it. event_log: a folder for Spark's history server. spark_ui:
      serve Spark's own page on this machine while the run lasts.
    - broadcast: send the model by Spark broadcast; else every worker reads `weights` itself.
    - max_errors: a number of images ("12"), or a share of them ("5%"), that may fail.
    - endpoint_url, region: of S3, where they are not what the environment says.
    - retry_errors: try again every image that failed, not only those whose reason can pass.
    - thumbnails: keep small pictures of the images, which the report shows. findings: compare the
      images at the end, for duplicates and wrong labels. report: make the report at the end.
    - replace: recompute OUTPUT. dry_run: list, plan and estimate, write nothing.

    A field takes what can be read as its type: paths for text, "224" and NumPy's numbers for
    numbers, one text for a tuple of it, 5 for "5" of max_errors, None for "none" of label. Raises
    ConfigError on anything else, and where a value is out of range.
    """

    sources: Annotated[
        tuple[str, ...], Expected("a folder, a file, a glob or a URL, or several", "SOURCE")
    ] = ()
    manifest: Annotated[str | None, Expected("a .csv or .parquet file")] = None
    labels: Annotated[str | None, Expected("a .csv or .parquet file")] = None
    exclude_from: Annotated[str | None, Expected("a list of paths, or a .csv of decisions")] = None
    keep_columns: Annotated[tuple[str, ...], Expected("a column, or several")] = ()
    web_rate: Annotated[float, Gt(0)] = 20.0
    web_private: bool = False
    output: Annotated[str, Expected("a folder or a URL", "OUTPUT")]
    weights: str = "imagenet"
    size: Annotated[
        Annotated[int, Ge(MIN_SIZE), Le(MAX_SIZE)] | None,
        Expected(
            f"a whole number of pixels from {MIN_SIZE} to {MAX_SIZE}; the network was trained at "
            "224"
        ),
    ] = None
    precision: Literal["float32", "bfloat16", "int8", "int8-openvino"] = "float32"
    decode: Literal["full", "scaled"] = "full"
    colour: Literal["srgb", "ignore"] = "srgb"
    damaged: Literal["refuse", "keep"] = "refuse"
    max_pixels: Annotated[int, Ge(1)] = 100_000_000
    view: Annotated[
        tuple[str, ...],
        Predicate(_are_views),
        Expected(f"each of {', '.join(VIEW_NAMES)} once at most"),
    ] = ("plain",)
    components: Annotated[int | float, Expected(_COMPONENTS, read=_read_components)] = 0.95
    pca: Literal["auto", "refit", "keep"] = "auto"
    standardize: bool = True
    label: Annotated[
        str,
        Expected(
            "parent, none, column:NAME, or a regular expression with a group",
            read=_read_label,
        ),
    ] = "parent"
    include: Annotated[tuple[str, ...], Expected("a glob, or several")] = ()
    exclude: Annotated[tuple[str, ...], Expected("a glob, or several")] = ()
    limit: Annotated[int, Ge(1)] | None = None
    master: Annotated[
        str,
        Predicate(_is_master),
        Expected(
            "local[*], local[N], spark://HOST:PORT, sc://HOST:PORT or yarn, or submitted under "
            "spark-submit"
        ),
    ] = "local[*]"
    broadcast: bool = True
    max_errors: Annotated[
        str,
        Predicate(_is_share),
        Expected("a number of images such as 10, or a share such as 5%", read=_read_errors),
    ] = "100%"
    event_log: Annotated[str | None, Expected("a folder")] = None
    spark_ui: bool = False
    endpoint_url: str | None = None
    region: str | None = None
    retry_errors: bool = False
    thumbnails: bool = True
    findings: bool = True
    report: bool = True
    replace: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        settle(self)
        if not self.sources and not self.manifest:
            raise ConfigError("no SOURCE given: expected at least one folder, file or glob")
        if self.manifest and len(self.sources) > 1:
            raise ConfigError(
                f"SOURCE {' '.join(self.sources)}: with --manifest expected none, or the one that "
                "its paths are relative to"
            )
        if self.keep_columns and not (self.manifest or self.labels):
            raise ConfigError(
                f"--keep-columns {','.join(self.keep_columns)}: expected with --manifest or "
                "--labels, which has the columns"
            )
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
        _label_pattern(self.label)

    @property
    def is_local(self) -> bool:
        return self.master.startswith("local")

    @property
    def shown_master(self) -> str:
        """The master as others may read it: an address of Spark Connect without its parameters,
        one of which is a token."""
        return self.master.partition("/;")[0]

    @property
    def is_scaled(self) -> bool:
        return self.decode == "scaled"

    @property
    def output_root(self) -> str:
        """OUTPUT as an absolute path, or as the URL it is."""
        if is_remote(self.output):
            return self.output.rstrip("/")
        return str(Path(local_path(self.output)).absolute())

    @property
    def storage(self) -> Storage:
        web = WebAccess(self.web_rate, self.web_private) if self.manifest else None
        return Storage(self.endpoint_url, self.region, web)

    @property
    def label_pattern(self) -> re.Pattern[str] | None:
        """The compiled regular expression; None where label is none."""
        return _label_pattern(self.label)

    def allowed_errors(self, n_images: int) -> int:
        """How many of n images may fail before the run does."""
        matched = _share_of(self.max_errors)
        assert matched is not None, "checked when it was set"
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
    if not (value >= 1 if isinstance(value, int) else 0 < value < 1):
        raise ConfigError(f"--components {text}: expected {_COMPONENTS}")
    return value


def _label_pattern(label: str) -> re.Pattern[str] | None:
    if label in ("parent", "none") or label.startswith(COLUMN):
        if label == COLUMN:
            raise ConfigError(f"--label {label}: expected the name of a column, as column:species")
        return None
    try:
        pattern = re.compile(label)
    except re.error as error:
        raise ConfigError(f"--label {label}: not a regular expression: {error}") from None
    if pattern.groups < 1:
        raise ConfigError(
            f"--label {label}: expected parent, none, column:NAME, or a regular expression with a "
            r"group, such as '/([^/]+)_\d+\.jpg$'"
        )
    return pattern
