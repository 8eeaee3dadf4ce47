"""A browser, a provider, a house and somebody's page for each test; what the page complains of fails the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from bot.wiring import House
from tests.browser.chromium import chromium, connected
from tests.emulators.llm import LlmEmulator
from tests.stories.home import home


@pytest_asyncio.fixture
async def llm() -> AsyncIterator[LlmEmulator]:
    async with LlmEmulator() as emulator:
        yield emulator


@pytest_asyncio.fixture
async def opened(tmp_path: Path, llm: LlmEmulator) -> AsyncIterator[House]:
    async with home(tmp_path, llm, shutdown_grace=0.2) as it:
        yield it


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as it:
        yield it


@pytest_asyncio.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    it = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    yield it
    await it.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """Errors and warnings of the console, and scripts that broke. A test that causes some takes them out."""
    found: list[str] = []
    yield found
    assert found == []


@pytest_asyncio.fixture
async def page(context: BrowserContext, opened: House, complaints: list[str]) -> Page:
    it = await context.new_page()
    listen(it, complaints)
    await it.goto(opened.url)
    await connected(it)
    return it


def listen(page: Page, complaints: list[str]) -> None:
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
