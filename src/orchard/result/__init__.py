"""What a run leaves: where the tables are, and the record of how they came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from orchard.errors import TableError
from orchard.storage import DEFAULT, Storage
from orchard.store import findings, models, ownership, runs
from orchard.store.output import Output
from orchard.store.tables import Tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from orchard.result.neighbours import Searcher
    from orchard.result.page import Page
    from orchard.result.pictures import Pictures


@dataclass(frozen=True, slots=True)
class Result:
    """The tables of a finished run, as Arrow, and its record.

    output: the folder's absolute path or URL. record: the run's, as in `runs/<run_id>.json`.
    `orchard.run` returns one, `orchard.open` finds an older one. An Arrow table is one call away
    from pandas (`table.to_pandas()`) and from Polars (`polars.from_arrow(table)`).
    """

    output: str
    record: dict[str, Any] = field(repr=False)
    storage: Storage = field(default=DEFAULT, repr=False)

    @classmethod
    def open(
        cls,
        output: str | PathLike[str],
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
    ) -> Result:
        """The result in a folder or bucket, with the record of the last run that changed it.

        Raises TableError where there is none.
        """
        found = Output.at(fspath(output), Storage(endpoint_url, region))
        ownership.require(found)
        if Tables(found)["features"].version < 0:
            raise TableError(
                f"{found.root} is not a result of Orchard; expected the OUTPUT of a run"
            )
        return cls(found.root, runs.last(found), found.storage)

    def features(self) -> pa.Table:
        """The features table, in the order of the paths (columns: `orchard.records.FEATURES`)."""
        return self._tables.read("features")

    def components(self) -> pa.Table:
        """The components table, in the order of the paths."""
        return self._tables.read("components")

    def errors(self) -> pa.Table:
        """The images that have no features, and why."""
        return self._tables.read("errors")

    def gone(self) -> pa.Table:
        """The features of images that have disappeared from the source (columns as in `features`).

        Nothing else is computed from them: they wait for their images to come back.
        """
        return self._tables.read("gone")

    def thumbnails(self) -> pa.Table:
        """Small pictures of the images: path, the image's sha256, and a JPEG of 112 pixels.

        Of a result of more than 50,000 images a part has one; sha256 is null of images that failed.
        """
        return self._tables.read("thumbnails")

    def findings(self) -> pa.Table:
        """What the last run found wrong with images: path, kind, score, group, keep, label,
        suggested_label; kind by kind, the worst first (columns: `orchard.records.FINDINGS`).

        kind: exact_duplicate and near_duplicate (groups, of each of which one has keep),
        wrong_label and overlap (with suggested_label; overlap is of classes and has no path),
        unusual, blurred, dark, bright, tiny, uniform. score: the higher, the more of it.

        Raises TableError where there are none: results of older versions, and after an erasure.
        """
        return findings.read(self._output)

    def nearest(self, image: str | PathLike[str] | bytes, k: int = 5) -> pa.Table:
        """The k images most like a given one, nearest first; columns path, label, similarity.

        image: a path in the table, else the path of an image file, or an image's bytes; the last
        two are embedded with the run's own network. similarity: the cosine between components, so
        after centring, standardising and projecting, in [−1, 1]. An image of the table is not its
        own neighbour. Cost: one pass over the components.

        Raises SourceError where there is no such image or it cannot be read, TableError where the
        network now gives other features than the table holds.
        """
        return self.searcher().nearest(image, k)

    def searcher(self) -> Searcher:
        """The components in memory, for many searches: `searcher().nearest(image, k)` each."""
        from orchard.result.neighbours import Searcher

        return Searcher.load(self._output, self.record)

    def plot_variance(self, ax: Axes | None = None) -> Axes:
        """Draw the variance by component and cumulative, with 80, 90 and 95 % and the k kept.

        ax: where to draw; a new figure of pyplot's where there is none, which notebooks show.
        """
        from orchard.result.plots import plot_variance

        card = self._pca_card()
        return plot_variance(models.load_pca(self._output, card.pca_id)[0], ax)

    def map(self, coordinates: ArrayLike | None = None, ax: Axes | None = None) -> Axes:
        """Draw the report's map: a point for each image, in the report's places and colours, with
        the names of the labels on their points.

        Similar images lie together; the places are found by t-SNE of the components, which takes
        some seconds for 10,000 images. Of more than 25,000 images it shows a sample, as the report
        does. coordinates: (n, 2) other places, in the order of `components()`, such as a UMAP of
        its vectors. ax: as in `plot_variance`.
        """
        from orchard.result.map import plot_map, points_of

        return plot_map(points_of(self._tables, coordinates), ax)

    def show(self, images: Any = None, n: int = 48) -> Pictures:
        """Images as a grid of pictures, in a notebook; each stands with its label.

        images: a path or several, or a table with a column `path`, such as `nearest` returns or
        pandas' own; images from all over the result where it is not given. n: at most so many.
        A picture is the stored thumbnail, or is made from the image where there is none; an image
        that cannot be read shows the reason.
        """
        from orchard.result.pictures import show_of

        return show_of(self._tables, images, n)

    def report(self, height: int = 720) -> Page:
        """The report: a notebook shows it, elsewhere it is the path or URL of the page.

        height: pixels in the notebook. A notebook that is saved with it grows by the page's size.
        Raises TableError where there is none; `orchard report` draws one.
        """
        from orchard.result.page import Page

        return Page.of(self._output, height)

    @property
    def _output(self) -> Output:
        return Output(self.output, self.storage)

    @property
    def _tables(self) -> Tables:
        """As they are at each call: a later run may have changed them."""
        return Tables(self._output)

    def _pca_card(self) -> models.PCACard:
        card = models.current_pca(self._tables)
        if card is None:
            raise TableError(f"{self.output} holds no components; expected the OUTPUT of a run")
        return card

    def _repr_html_(self) -> str:
        """What notebooks show: where it is, what it holds, and what must be said of it."""
        tables = self._tables
        named = (("images", "features"), ("errors", "errors"), ("gone", "gone"))
        rows = [(name, f"{tables[table].n_rows:,}") for name, table in named]
        card = models.current_pca(tables)
        if card is not None:
            pca = models.load_pca(self._output, card.pca_id)[0]
            kept = pca.explained_variance_ratio[: pca.n_components].sum()
            rows += [
                ("features of each", f"{card.n_features:,}"),
                ("components of each", f"{card.n_components:,}, {kept:.1%} of the variance"),
            ]
            rows += [("note", card.notice)] if card.notice else []
        body = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td>{escape(text)}</td></tr>"
            for name, text in rows
        )
        return f"<table><caption><code>{escape(self.output)}</code></caption>{body}</table>"


open = Result.open
