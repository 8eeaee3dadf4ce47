"""Chromium for the tests of the page and for its pictures: the system's own, headless, talking to nobody else."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator

from playwright.async_api import Browser, Page, async_playwright, expect

expect.set_options(
    timeout=30_000
)  # milliseconds; what holds at once on a machine of one's own takes a while on a shared one

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser that ends with the block."""
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    assert path is not None, "Chromium is not installed: the tests of the web page need it as the command 'chromium'."
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


async def connected(page: Page) -> None:
    """Wait until the page has its connection."""
    await expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "open")
