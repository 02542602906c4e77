"""A browser for the tests that open a report in one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browsing.browser import Browser, opened_browser


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests; each opens its own page."""
    with opened_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened
