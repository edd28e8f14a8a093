"""A result's report where Python can show it: inline in a notebook, as a path elsewhere."""

from __future__ import annotations

from html import escape

from orchard.errors import TableError
from orchard.report.build import PAGE
from orchard.store.output import Output

HEIGHT = 720  # pixels
# Links within the page would otherwise lead to the notebook. It stands before the page's security
# policy, which forbids what comes after it to do the same.
_HEAD, _BASE = "<head>", '<base href="about:srcdoc">'


class Page(str):
    """The address of a report; a notebook shows the report itself.

    The page travels inside the cell's output, so that it is seen wherever the notebook's server
    and the result are. A notebook saved with it is larger by as much.
    """

    __slots__ = ("_height", "_output")

    _output: Output
    _height: int

    @classmethod
    def of(cls, output: Output, height: int = HEIGHT) -> Page:
        """Raises TableError where the result has no report."""
        if PAGE not in output.paths("report"):
            raise TableError(
                f"{output.uri(PAGE)} does not exist; `orchard report {output.root}` draws it"
            )
        page = cls(output.uri(PAGE))
        page._output, page._height = output, height
        return page

    def _repr_html_(self) -> str:
        page = bytes(self._output.get(PAGE)).decode("utf-8").replace(_HEAD, _HEAD + _BASE, 1)
        return (
            f'<iframe title="{escape(self)}" srcdoc="{escape(page)}" width="100%" '
            f'height="{self._height}" style="border:0" allow="clipboard-write" '
            'sandbox="allow-scripts allow-downloads allow-popups"></iframe>'
        )
