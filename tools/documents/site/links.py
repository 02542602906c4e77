"""What a built site links to, loads and shows: everything of its own has to be there, and nothing loads from elsewhere.

Reads the folder of the site.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
"""Element to the attribute whose address a browser loads by itself; an `<a>` waits for the reader."""
_IN_STYLE = re.compile(r"url\(\s*[\"']?(?P<address>(?:https?:)?//[^)\"']+)|@import\s+[\"'](?P<other>[^\"']+)")


@dataclass
class Page:
    """The ids of a page, the addresses that it links to, and those that it loads."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.page.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and values.get("href"):
            self.page.links.append(values["href"])
        address = values.get(LOADED.get(tag, ""))
        # The others are for search engines: no browser loads them.
        if address and values.get("rel") not in ("canonical", "next", "prev"):
            self.page.loads.append(address)


def read(html: str) -> Page:
    """What one page has and asks for."""
    reader = _Reader()
    reader.feed(html)
    return reader.page


def faults(site: Path) -> list[str]:
    """Every link, anchor and file that is not there, and everything that is loaded from elsewhere; as sentences."""
    pages = {file.relative_to(site).as_posix(): read(file.read_text("utf-8")) for file in sorted(site.rglob("*.html"))}
    found = []
    for name, page in pages.items():
        for address in [*page.links, *page.loads]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if address in page.loads and parts.scheme != "data":
                    found.append(f"{name} loads {address}")
                continue
            target = _target(name, unquote(parts.path))
            if not (site / target).is_file():
                found.append(f"{name} leads to {address}, which is not there")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                found.append(f"{name} leads to {address}, and {target} has no such anchor")
    return [*found, *_styles(site)]


def _target(page: str, path: str) -> str:
    """The file of the site that an address in a page stands for."""
    if not path:
        return page
    whole = path.lstrip("/") if path.startswith("/") else posixpath.join(posixpath.dirname(page), path)
    normal = posixpath.normpath(whole)
    return posixpath.normpath(f"{normal}/index.html") if path.endswith("/") or normal == "." else normal


def _styles(site: Path) -> Iterator[str]:
    for file in sorted(site.rglob("*.css")):
        for match in _IN_STYLE.finditer(file.read_text("utf-8")):
            yield f"{file.relative_to(site).as_posix()} loads {match['address'] or match['other']}"
