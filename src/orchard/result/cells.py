"""Text as cells of a CSV file: what a spreadsheet would take for a formula is quoted.

A spreadsheet computes a cell that begins with =, +, -, @, their full-width forms, or a tab or line
end before one of these; a file name or label could so send data away (CSV injection, OWASP). An
apostrophe before it makes it text again.

Cells of apostrophes followed by one of these get one more, so that the way back is exact: take one
apostrophe from each cell that matches `'+[=+\\-@...]`.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_BEGINS_FORMULA = "^'*[=+\\-@\t\r\n＝＋－＠]"


def quoted(table: pa.Table) -> pa.Table:
    """The same table with an apostrophe before each text that begins like a formula."""
    for position, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column = table.column(position)
            risky = pc.match_substring_regex(column, _BEGINS_FORMULA)
            text = pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)
            table = table.set_column(position, field, text)
    return table
