"""``python -m tests.screenshot`` takes the README's pictures of the real workspace: docs/workspace.png and -dark.

The house and everything in the picture is real; only the model's words are written here, as no account is asked of
whoever makes the picture. The last answer stays in the middle of its words, so that the picture shows it growing.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, Page, expect

from bot.llm import LlmConfig, open_completions
from bot.wiring import House
from tests.browser.chromium import chromium, connected
from tests.emulators.llm import LlmEmulator, Script
from tests.stories.home import home, person

DOCS = Path(__file__).resolve().parent.parent / "docs"
MODEL = "openai/gpt-oss-120b"

EARLIER = (
    ("@Parley what changed in the payment API between 2.3 and 2.4? One line.", "Amounts are strings now."),
    ("@Parley write a friendly note to our partner about Tuesday's certificate change", "Hello, a short heads-up."),
)
QUESTION = "@Parley our partner's API fails now and then. How should we space the retries? A small table, please."
TABLE = """\
Three ways that teams use, for at most five tries:

| Backoff | In total | When many clients fail at once |
|---|--:|---|
| Fixed | 5 s | all come back together |
| Exponential | 31 s | they come back in waves |
| **Full jitter** | 16 s | they are spread evenly |

I would take the last: it is one line more, and kinder to your partner."""
FOLLOW_UP = "Full jitter it is. Can you show me the loop? We use `httpx`."
CODE = """\
Here it is, only for errors that may pass:

```python
async def fetch(client: httpx.AsyncClient, url: str):
    for attempt in range(5):
        response = await client.get(url)
        if response.status_code < 500:
            return response
        longest = min(30, 2**attempt)
        await asyncio.sleep(random.uniform(0, longest))
    return response
```

Two things to watch: """


@contextlib.asynccontextmanager
async def furnished(folder: Path) -> AsyncIterator[tuple[House, dict[str, Any]]]:
    """A house where three people have talked, and the root of the thread whose last answer is being written."""
    async with LlmEmulator() as llm:
        completions = open_completions(
            LlmConfig(kind="groq", base_url=llm.url, api_key=llm.key, model=MODEL, name="Groq")
        )
        async with home(folder, None, completions, shutdown_grace=0.1) as opened:
            yield opened, await _talk(opened, llm)


async def _talk(opened: House, llm: LlmEmulator) -> dict[str, Any]:
    async with person(opened, "Priya") as priya, person(opened, "Jonas") as jonas, person(opened, "Lena") as lena:
        for channel in ("releases", "payments"):
            await priya.post("/api/channels", {"name": channel})
        await lena.says("Morning! The certificate change is on for Tuesday evening.")
        for someone, (question, answer) in zip((jonas, lena), EARLIER, strict=True):
            llm.scripts.append(Script(text=answer))
            await someone.answer(await someone.says(question))
        await lena.says("Sent. They are glad to know before it happens, and ask for a test call on Wednesday.")
        await priya.says("I can do that one. @Jonas could you have the sandbox ready by ten?")
        llm.scripts.extend([Script(text=TABLE), Script(text=CODE, fault="stall", after=2_000)])
        root = await jonas.says(QUESTION)
        await priya.answer(root)
        await priya.says(FOLLOW_UP, thread=root["id"])
        await priya.until(lambda: len(priya.replies(root)) == 2 and "watch" in priya.replies(root)[1]["text"])
        return root


async def visit(browser: Browser, opened: House, scheme: Literal["light", "dark"], width: int, height: int) -> Page:
    """The workspace as a newcomer's browser shows it."""
    page = await browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce", locale="en-GB"
    )
    await page.goto(opened.url)
    await connected(page)
    return page


async def take(browser: Browser, opened: House, root: dict[str, Any], scheme: Literal["light", "dark"]) -> Path:
    page = await visit(browser, opened, scheme, 1440, 900)
    await page.locator(f"[data-message-id='{root['id']}']").get_by_test_id("open-thread").click()
    thread = page.locator("#thread")
    await expect(thread.get_by_test_id("control-stop")).to_be_visible()
    await expect(thread.locator(".code")).to_be_visible()
    await page.mouse.move(720, 870)
    path = DOCS / ("workspace.png" if scheme == "light" else "workspace-dark.png")
    await page.screenshot(path=path)
    await page.close()
    return path


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with furnished(Path(folder)) as (opened, root), chromium() as browser:
            for scheme in ("light", "dark"):
                path = await take(browser, opened, root, scheme)
                print(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    asyncio.run(main())
