"""Sites behind a client of tests, and behind a browser where one is installed."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

ORIGIN = "http://127.0.0.1:8000"
Client = Any
"""A ``starlette.testclient.TestClient``."""


@pytest.fixture
def visit() -> Callable[[Any], Client]:
    """A visitor with a cookie jar of their own, whose requests come from the site's pages."""
    testclient = pytest.importorskip("starlette.testclient", reason="needs the extra serve")

    def come(application: Any, **headers: str) -> Client:
        headers = {"origin": ORIGIN, **headers}
        return testclient.TestClient(application, base_url=ORIGIN, headers=headers)

    return come


@pytest.fixture
def fields() -> Callable[[str], dict[str, str]]:
    """The hidden fields of a page's forms, by name."""

    def hidden(page: str) -> dict[str, str]:
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="(\w*)">', page))

    return hidden


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium without a screen, driven by Playwright, whose event loop ends with the
    module: a command that serves runs one too."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra browser")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("neither chromium nor google-chrome is installed")
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu"]
        running = driver.chromium.launch(executable_path=program, args=arguments)
        yield running
        running.close()


class Looking:
    """A browser's page on a site; every page that is looked at must fit on small screens too.

    Args:
        page: of Playwright.
    """

    WIDTHS = (400, 1400)

    def __init__(self, page: Any) -> None:
        self.page = page
        self.said: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))

    def click(self, what: str) -> None:
        """Click what leads to another page, wait for that, and look at it."""
        with self.page.expect_navigation():
            self.page.click(what)
        self.look()

    def look(self) -> None:
        """See that nothing lies beyond the right edge, at each width."""
        for width in self.WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 800})
            beyond = self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert beyond == 0, f"{self.page.url} is {beyond} px too wide at {width} px"

    @property
    def text(self) -> str:
        """What stands on the page."""
        return str(self.page.inner_text("body"))


@pytest.fixture
def look_at(browser: Any) -> Callable[[Any], contextlib.AbstractContextManager[Looking]]:
    """Open a site in a browser."""

    @contextlib.contextmanager
    def look(application: Any) -> Iterator[Looking]:
        from llmrec_env.web.serving import served

        with served(application) as address:
            page = browser.new_page()
            looking = Looking(page)
            page.goto(address)
            looking.look()
            yield looking
            page.close()

    return look
