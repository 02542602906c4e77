"""Text that somebody else wrote, made safe to print: AWS, Vercel, Pulumi and files may hold any character.

Pure. Used where text is printed: by the terminal, the log, the report's page and its Markdown.
"""

from __future__ import annotations

TAB = "    "

# Each becomes a question mark, which shows that something was there: C0 and C1 controls, which a terminal obeys; marks
# that change the direction of writing or take no cell, behind which other text hides; half of a surrogate pair.
_CHARACTERS = (
    *range(0x00, 0x09),
    *range(0x0B, 0x20),
    *range(0x7F, 0xA0),
    *(0x00AD, 0x061C, 0x180E),
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    *range(0xD800, 0xE000),
)
_REPLACED = dict.fromkeys(_CHARACTERS, "?") | {0x09: TAB}


def lines(text: str) -> str:
    """The text without control characters, direction marks and characters without width; its lines stay."""
    return text.translate(_REPLACED)


def line(text: str) -> str:
    """The same as one line: line ends become spaces, so that no text looks like an entry of its own."""
    return lines(" ".join(text.splitlines()) if "\n" in text or "\r" in text else text)
