"""What is on each page of a PDF that Chromium printed: how far down its text goes.

Pure: bytes in, numbers out.
"""

from __future__ import annotations

import re
import zlib

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_OPERATION = re.compile(rb"^(?:(q|Q)|([-0-9. ]+) (cm|Tm))$", re.MULTILINE)
_HEIGHT, _FOOTER = 842.0, 40.0
"""Points of A4, and of the margin below with the page's number in it."""

Matrix = tuple[float, float, float, float, float, float]


def page_count(pdf: bytes) -> int:
    """How many pages it has."""
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def filled(pdf: bytes) -> list[float]:
    """Of each page, how far down its last line of text is, as a part of its height."""
    pages = []
    for packed in _STREAM.findall(pdf):
        try:
            lines = _lines(zlib.decompress(packed))
        except zlib.error:
            continue
        if lines:
            lowest = min((y for y in lines if y > _FOOTER), default=_HEIGHT)
            pages.append((_HEIGHT - lowest) / (_HEIGHT - _FOOTER))
    return pages


def _lines(content: bytes) -> list[float]:
    """The height above the paper's lower edge of each text, by the matrices around it."""
    current: Matrix = (1, 0, 0, 1, 0, 0)
    saved: list[Matrix] = []
    lines = []
    for kept, numbers, name in _OPERATION.findall(content):
        if kept == b"q":
            saved.append(current)
        elif kept == b"Q":
            current = saved.pop()
        else:
            a, b, c, d, e, f = map(float, numbers.split())
            if name == b"cm":
                current = _product((a, b, c, d, e, f), current)
            else:
                lines.append(_product((a, b, c, d, e, f), current)[5])
    return lines


def _product(inner: Matrix, outer: Matrix) -> Matrix:
    a, b, c, d, e, f = inner
    g, h, i, j, k, m = outer
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)
