"""Rows in columns, within a width.

Pure. Knows no stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from wizard.terminal_text import Piece, cells, folded, longest_part, longest_word

_GAP = 2
_LEAST = 4


def table_lines(
    rows: Sequence[Sequence[str]], styles: Sequence[Sequence[str]], width: int
) -> Iterator[tuple[Piece, ...]]:
    """The lines of a table; what does not fit in one line of a cell hangs under its column. Rows have one length."""
    columns = [[row[number] for row in rows] for number in range(len(rows[0]))]
    widths = _widths(columns, width - _GAP * (len(columns) - 1))
    for row, row_styles in zip(rows, styles, strict=True):
        cell_lines = [_lines(cell, columns) for cell, columns in zip(row, widths, strict=True)]
        for number in range(max(map(len, cell_lines))):
            texts = [lines[number] if number < len(lines) else "" for lines in cell_lines]
            yield tuple(_line(texts, row_styles, widths))


def _line(texts: Sequence[str], styles: Sequence[str], widths: Sequence[int]) -> Iterator[Piece]:
    last = max((number for number, text in enumerate(texts) if text), default=-1)
    for number, text in enumerate(texts[: last + 1]):
        yield text, styles[number]
        if number < last:
            yield " " * (widths[number] - cells(text) + _GAP), ""


def _lines(cell: str, width: int) -> list[str]:
    # A cell that fits stays as it is, also where it is aligned by spaces of its own.
    return [line for whole in cell.split("\n") for line in ([whole] if cells(whole) <= width else folded(whole, width))]


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    # First no word is broken, then none but at its joints; only what still does not fit is cut anywhere.
    natural = [max(map(_natural, column), default=0) for column in columns]
    for need in (longest_word, longest_part, _nothing):
        floors = [min(most, max(_LEAST, _most(need, column))) for most, column in zip(natural, columns, strict=True)]
        widths = _narrowed(natural, floors, room)
        if sum(widths) <= room:
            break
    return widths


def _narrowed(widths: Sequence[int], floors: Sequence[int], room: int) -> list[int]:
    narrowed = list(widths)
    while sum(narrowed) > room:
        wide = [number for number, width in enumerate(narrowed) if width > floors[number]]
        if not wide:
            break
        narrowed[max(wide, key=narrowed.__getitem__)] -= 1
    return narrowed


def _natural(cell: str) -> int:
    return max(map(cells, cell.split("\n")))


def _most(need: Callable[[str], int], column: Sequence[str]) -> int:
    return max(map(need, column), default=0)


def _nothing(_: str) -> int:
    return 0
