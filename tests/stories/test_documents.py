"""What the documents tell people to type does what they say."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import Any

import httpx

from bot.wiring import House
from tests.emulators.llm import LlmEmulator
from tests.stories.home import PATIENCE

OPERATING = Path(__file__).resolve().parent.parent.parent / "docs" / "operating.md"


def curls() -> list[list[str]]:
    """The commands under the heading about programs, as words."""
    section = OPERATING.read_text().partition("## Talk to the workspace from a program")[2].partition("\n## ")[0]
    return [shlex.split(line) for line in section.splitlines() if line.startswith("curl ")]


async def do(http: httpx.AsyncClient, opened: House, words: list[str], **known: str) -> dict[str, Any]:
    """What curl would do."""
    for name, value in known.items():
        words = [word.replace(name, value) for word in words]
    url = words[-1].replace("http://127.0.0.1:8765", opened.url)
    header = dict([words[words.index("-H") + 1].split(": ")]) if "-H" in words else {}
    if "--json" in words:
        header["Content-Type"] = "application/json"
        answer = await http.post(url, headers=header, content=words[words.index("--json") + 1])
    else:
        answer = await http.get(url, headers=header)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_program_can_ask_and_read_the_answer_as_the_manual_says(opened: House, llm: LlmEmulator) -> None:
    joins, asks, reads = curls()
    async with httpx.AsyncClient(trust_env=False) as http:
        ana = await do(http, opened, joins)
        asked = (await do(http, opened, asks, ID=ana["id"]))["message"]
        async with asyncio.timeout(PATIENCE):
            while True:
                thread = (await do(http, opened, reads, ID=ana["id"], MESSAGE=asked["id"]))["messages"]
                if len(thread) == 2 and not thread[1]["streaming"]:
                    break
                await asyncio.sleep(0.02)
    assert thread[1]["text"] == llm.default.text
