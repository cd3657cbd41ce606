"""Rows as CSV, XML and XLSX, safe to open in a spreadsheet.

A cell that a spreadsheet could take for a formula gets a leading apostrophe: one whose
first character, white space aside, or the first after a line break, is one of = + - @,
also in full width, or that begins with a tab or a carriage return (OWASP, CSV
injection). Numbers are numbers, and an unknown figure is an empty cell, never 0.
"""

import csv
import io
import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

import xlsxwriter  # type: ignore[import-untyped]

Cell = str | int | None
Row = Sequence[Cell]

# = + - @, and the same in full width.
_SIGNS = "[=+\\-@\uff1d\uff0b\uff0d\uff20]"
_formula = re.compile(rf"[\t\r]|\s*{_SIGNS}|.*\n\s*{_SIGNS}", re.DOTALL).match
# What XML 1.0 cannot hold at all.
_not_in_xml = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def safe(cell: Cell) -> Cell:
    """The cell as it may stand in a spreadsheet."""
    if isinstance(cell, str) and _formula(cell):
        return f"'{cell}"
    return cell


def to_csv(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    """RFC 4180: UTF-8, comma, CRLF, a header row."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if cell is None else safe(cell) for cell in row])
    return out.getvalue().encode()


def to_xml(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    """`<rows><row><column>...`: one element a cell, an unknown one is left out."""
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n<rows>']
    for row in rows:
        cells = "".join(
            f"<{name}>{escape(in_xml(str(cell)))}</{name}>"
            for name, cell in zip(columns, row, strict=True)
            if cell is not None
        )
        parts.append(f"<row>{cells}</row>")
    parts.append("</rows>\n")
    return "".join(parts).encode()


class Sheet:
    """One sheet of a workbook.

    Args:
        right_to_left: for Arabic.
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[str],
        rows: Sequence[Row],
        *,
        right_to_left: bool = False,
    ) -> None:
        self.name = name
        self.columns = columns
        self.rows = rows
        self.right_to_left = right_to_left


def to_xlsx(sheets: Sequence[Sheet]) -> bytes:
    """A workbook; headers frozen and bold, no string taken for formula or link."""
    out = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(out, options) as book:
        bold = book.add_format({"bold": True})
        for sheet in sheets:
            page = book.add_worksheet(sheet.name)
            if sheet.right_to_left:
                page.right_to_left()
            page.freeze_panes(1, 0)
            for number, row in enumerate((sheet.columns, *sheet.rows)):
                for place, cell in enumerate(row):
                    style = bold if number == 0 else None
                    if isinstance(cell, int):
                        page.write_number(number, place, cell, style)
                    elif cell is not None:
                        page.write_string(number, place, str(safe(cell)), style)
            page.autofit()
    return out.getvalue()


def in_xml(text: str) -> str:
    """A text without what XML 1.0 cannot hold at all; yet to be escaped."""
    return _not_in_xml.sub("", text)


def attribute(value: str) -> str:
    """A value as a quoted XML attribute."""
    return quoteattr(in_xml(value))
