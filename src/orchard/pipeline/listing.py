"""What a run lists: the files below SOURCE or what a manifest names, with the labels and columns
that a table gives them.

The rows of images that are not listed this time follow the same rules: what label they are to have,
and whether they would be listed were they still there (else they did not go, nobody named them).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from orchard.config import RunConfig
from orchard.errors import SourceError, TableError
from orchard.images import decisions, kept_columns, listing_checks, manifest
from orchard.images.containers.names import is_member
from orchard.images.containers.remembered import Memory
from orchard.images.decisions import Decisions, NamedPaths
from orchard.images.labels_file import LabelsFile
from orchard.images.manifest import Entry, Manifest
from orchard.images.source import Listing, Selection, list_images
from orchard.images.table_file import TableFile, read_table
from orchard.pipeline import decided
from orchard.pipeline.planning import KEY
from orchard.pipeline.state import Run
from orchard.records import Failure, Found, Reason
from orchard.storage.web_access import is_web
from orchard.store import contents, recorded_sources, runs, staging
from orchard.store.tables import Tables

RECORDED = "manifest"  # of a run's record: where its manifest lies, absolute


@dataclass(frozen=True, slots=True)
class Rules:
    """label_of: the label of any image. labels: whether it is that of an image that is not listed.
    expects: whether such an image would be listed, were it there."""

    label_of: Callable[[str], str | None]
    labels: Callable[[str], bool]
    expects: Callable[[str], bool]

    @classmethod
    def of(cls, config: RunConfig) -> Rules:
        """Where no table says anything."""
        selection = Selection.of(config)
        expects = selection.expects(config.sources)
        if not selection.rule().says_labels:
            return cls(selection.label_of, expects, expects)
        # An archive may say another label of its member than the path does.
        return cls(selection.label_of, lambda p: not is_member(p) and expects(p), expects)


@dataclass(frozen=True, slots=True)
class Listed:
    """A listing, whose images may have columns beyond LISTING, and the tables it was made by.

    relabels: labels that somebody decided on, by paths that may be below `roots`. left_out: paths
    that are not to be in the result, n_left_out of which would be listed."""

    listing: Listing
    manifest: Manifest | None = None
    labels: LabelsFile | None = None
    relabels: dict[str, str] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    left_out: NamedPaths | None = None
    n_left_out: int = 0
    memory: Memory | None = None

    def leaves_out(self, path: str) -> bool:
        return self.left_out is not None and self.left_out.name_of(path) is not None

    def rules(self, run: Run, tables: Tables) -> Rules:
        """Of a manifest, images are expected that it names, or named in an earlier run."""
        rules = Rules.of(run.config)
        if self.manifest is not None:
            named = {entry.path for entry in self.manifest.entries}
            named |= _named_before(run, tables, self.manifest.file.place)
            rules = Rules(lambda path: None, lambda path: False, named.__contains__)
        if (labels := self.labels) is not None:
            is_below, knows = rules.labels, labels.row_of
            rules = Rules(
                labels.label_of, lambda p: is_below(p) or knows(p) is not None, rules.expects
            )
        if self.relabels:
            labels_too = rules.labels
            meant, label_of = decisions.relabelled(self.relabels, self.roots, rules.label_of)
            rules = Rules(
                label_of, lambda p: labels_too(p) or meant.name_of(p) is not None, rules.expects
            )
        return rules


def listed(run: Run, memory: Memory | None = None) -> Listed:
    """List what the run's settings name; warnings go to its reporter.

    Raises SourceError and ConfigError as `list_images` does, and where a table is not as expected.
    """
    config, storage = run.config, run.config.storage
    given = [
        read_table(place, option, storage) if place else None
        for place, option in ((config.manifest, "--manifest"), (config.labels, "--labels"))
    ]
    files = [file for file in given if file is not None]
    kept_columns.check_names(config.keep_columns)
    kept = kept_columns.among(config.keep_columns, files)
    named = _named(run, given[0]) if given[0] else None
    labels, relabels = None, {}
    if given[1] and decisions.is_decisions(given[1].rows.column_names):
        relabels = Decisions.of(given[1]).relabels
    elif given[1]:
        labels = LabelsFile.of(given[1], config.sources, config.label)
    roots = (*config.sources, *([named.root] if named else ()))
    if named:
        listing = _of_manifest(run, named)
    else:
        listing = _without(
            list_images(config.sources, Selection.of(config), storage, memory), files
        )
    if labels is not None:
        listing = _labelled(run, listing, labels)
    if relabels:
        listing = decided.relabelled(run, listing, relabels, roots)
    listing, left_out, n_left_out = decided.without_left_out(run, listing, roots)
    for name, file in kept.items():
        values = _values(listing, file, name, named, labels)
        images = listing.images.append_column(pa.field(name, pa.string()), values)
        listing = replace(listing, images=images)
    if warning := listing_checks.warning_of(
        listing_checks.alike(listing.images["label"].unique().to_pylist())
    ):
        run.reporter.warn(warning)
    return Listed(listing, named, labels, relabels, roots, left_out, n_left_out, memory)


def _without(listing: Listing, files: list[TableFile]) -> Listing:
    """The listing less the tables themselves, which may lie among the images."""
    places = pa.array([file.place for file in files], pa.string())
    others = pc.invert(pc.is_in(listing.images["path"], value_set=places))
    return replace(listing, images=listing.images.filter(others)) if files else listing


def _named(run: Run, file: TableFile) -> Manifest:
    named = manifest.read_manifest(file, run.config.sources[0] if run.config.sources else None)
    if named.doubled:
        run.reporter.warn(named.doubled)
    selection = Selection.of(run.config)
    entries = tuple(e for e in named.entries if selection.admits(named.relative(e.path)))
    if not entries and not named.failures:
        raise SourceError(f"no image in {file.place}: the --include and --exclude globs leave none")
    return replace(named, entries=entries[: run.config.limit])


def _of_manifest(run: Run, named: Manifest) -> Listing:
    config = run.config
    label_of = manifest.labels_of(named, config.label, Selection.of(config).label_of)
    found = manifest.find(
        [entry.path for entry in named.entries], config.storage, lambda urls: _on_web(run, urls)
    )
    there: list[tuple[Entry, Found | None]] = []
    failures = list(named.failures)
    for entry, one in zip(named.entries, found, strict=True):
        if isinstance(one, Failure):
            failures.append((entry.path, one))
        else:
            there.append((entry, one))
    if named.entries and not there:
        _refuse_if_all_vanished(named, failures)
    run.log.record[RECORDED] = named.file.place
    roots = manifest.roots(entry.path for entry in named.entries)
    run.log.record[recorded_sources.FIELD] = roots
    return Listing(manifest.listing_rows(there, label_of), tuple(sorted(failures)))


def _refuse_if_all_vanished(named: Manifest, failures: list[tuple[str, Failure]]) -> None:
    """Raises SourceError: a disk is missing, or the paths are relative to another folder."""
    if all(failure.reason is Reason.VANISHED for _, failure in failures):
        raise SourceError(
            f"none of the {len(named.entries):,} images that {named.file.place} names is there; "
            f"the first: {named.entries[0].path}. Relative paths are taken from {named.root}; "
            "give another folder as SOURCE"
        )


def _on_web(run: Run, urls: list[str]) -> list[Found | Failure | None]:
    """What servers say of images that OUTPUT has features of; of others nothing is asked before
    they are fetched: one request an image."""
    from orchard.images import web

    access = run.config.storage.web
    assert access is not None, "there is a manifest"
    known = _known_on_web(run) if urls else set()
    with ThreadPoolExecutor(manifest.REQUESTS_AT_ONCE) as pool:
        return list(pool.map(lambda url: web.head(url, access) if url in known else None, urls))


def _known_on_web(run: Run) -> set[str]:
    """URLs in the tables, or staged by an interrupted run."""
    if run.config.replace:
        return set()
    try:
        tables = Tables(run.output)
        rows = [tables.read(name, KEY) for name in ("features", "gone", "errors")]
        rows += [
            contents.read_file(run.output, path, KEY)
            for path in staging.staged(run.output, "features")
        ]
    except TableError:  # whoever plans says what is wrong
        return set()
    return {
        path
        for table in rows
        for path, size in zip(*(table[n].to_pylist() for n in ("path", "size")), strict=True)
        if is_web(path) and size is not None
    }


def _labelled(run: Run, listing: Listing, labels: LabelsFile) -> Listing:
    paths = listing.images["path"].to_pylist()
    if told := labels.check(paths):
        run.reporter.warn(told)
    column = pa.array(map(labels.label_of, paths), pa.string())
    place = listing.images.column_names.index("label")
    images = listing.images.set_column(place, listing.images.schema.field("label"), column)
    return replace(listing, images=images)


def _values(
    listing: Listing,
    file: TableFile,
    name: str,
    named: Manifest | None,
    labels: LabelsFile | None,
) -> pa.Array:
    """A column of the manifest or of the labels, in the order of the listed images."""
    values = file.rows[name].to_pylist()
    if named is not None and file is named.file:
        of = {entry.path: entry.row for entry in named.entries}
        rows = (of[path] for path in listing.images["path"].to_pylist())
        return pa.array([values[row] for row in rows], pa.string())
    assert labels is not None, "the column is of one of the two files"
    found = map(labels.row_of, listing.images["path"].to_pylist())
    return pa.array([None if row is None else values[row] for row in found], pa.string())


def _named_before(run: Run, tables: Tables, place: str) -> set[str]:
    """Paths of rows that runs of the same manifest made."""
    ids = runs.ids_where(run.output, RECORDED, place)
    found = set()
    for name in ("features", "errors") if ids else ():
        rows = tables.read(name, ["path", "run_id"]).to_pylist()
        found |= {row["path"] for row in rows if row["run_id"] in ids}
    return found
