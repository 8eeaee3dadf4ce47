"""What a running bot prints at its most talkative: not a word that people or the model wrote, no name and no key."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import httpx

from tests.emulators.llm import LlmEmulator, Script
from tests.stories.faults import refusal
from tests.stories.home import Person, person
from tests.stories.process import Ended, Process, running_cold

MARKERS = {
    "a question": "zebraquestion",
    "an answer": "zebraanswer",
    "thinking": "zebrathought",
    "a person's name": "Zebrawoman",
    "another's name": "Zebraman",
    "a channel's name": "zebrachannel",
    "a command's text": "zebrasystem",
    "an edit": "zebraedited",
    "a file's name": "zebrafile",
    "a file's content": "zebracontent",
    "a search in completion": "zebracompletion",
    "the provider's words": "WORDSOFTHEPROVIDER",
    "the provider's organisation": "org_01secret",
    "the key": "gsk_emulator",
    "a key pasted into the page": "gsk_zebrapasted",
    "the workspace's token": "zebratoken-zebratoken-zebratoken",
}


def printed(end: Ended) -> list[dict[str, Any]]:
    """The log lines; also that nothing else was printed, and none of the markers in any case or encoding."""
    everything = (end.said + end.told).lower()
    assert [what for what, word in MARKERS.items() if word.lower() in everything] == []
    assert len(end.said.splitlines()) == 0, "after the ready line, standard output is silent"
    return [json.loads(line) for line in end.told.splitlines()]


async def lively_day(process: Process, ana: Person, llm: LlmEmulator) -> None:
    """A bit of everything that people do and that goes wrong."""
    thought = Script(text="zebraanswer one.", reasoning="zebrathought.")
    llm.scripts.extend([thought, Script(text="zebraanswer two."), Script(text="zebraanswer " * 300, rate=40)])
    await ana.post("/api/channels", {"name": "zebrachannel"})
    uploaded = await ana.http.post(
        "/api/files", params={"person": ana.id}, files={"file": ("zebrafile.txt", b"zebracontent", "text/plain")}
    )
    root = await ana.says("@Parley zebraquestion?", files=[uploaded.json()["id"]])
    answer = await ana.answer(root)
    await process.outcomes(1)
    await ana.commands("system zebrasystem speaks")
    await ana.commands("nonsense zebrasystem")
    await ana.post("/api/complete", {"channel": "general", "thread": None, "line": "model zebracompletion"})
    await ana.edits(root, "@Parley zebraedited?")
    await process.outcomes(2)
    await ana.presses(answer, "feedback", "up")
    await ana.presses(answer, "why")
    async with person(process, "Zebraman") as other:
        await other.says("zebraquestion again", thread=root["id"])
        growing = await ana.begins(root, 50, number=2)
        await ana.presses(growing, "stop")
        await process.outcomes(3)
    llm.scripts.extend([refusal(401, "invalid_api_key", "zebraanswer"), refusal(400, None, "zebraquestion")])
    llm.scripts.append(Script(text="zebraanswer broken", fault="malformed", after=2))
    for count in (4, 5, 6):
        await ana.says("zebraquestion and more", thread=root["id"])
        await process.outcomes(count)
    await ana.post("/api/key", {"key": "gsk_zebrapasted", "url": llm.url, "remember": False})
    await ana.http.post("/api/messages", content=b"zebraquestion {")
    await ana.http.get("/api/messages/zebraquestion", params={"person": "Zebrawoman"})
    await ana.deletes(root)


async def test_at_the_debug_level_of_everything_no_word_no_name_and_no_key_is_printed(
    tmp_path: Path, llm: LlmEmulator
) -> None:
    given = {
        "GROQ_API_KEY": llm.key,
        "LLM_BASE_URL": llm.url,
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": "json",
        "PYTHONASYNCIODEBUG": "1",
        "PYTHONDEVMODE": "1",
    }
    async with running_cold(tmp_path, **given) as process:
        async with person(process, "Zebrawoman") as ana:
            await lively_day(process, ana, llm)
        end = await process.end(signal.SIGTERM)
    lines = printed(end)
    assert end.code == 0
    settled = [line["outcome"] for line in lines if line["event"] == "turn settled"]
    assert sorted(settled) == ["answered", "answered", "cut", "failed", "failed", "stopped"]
    assert {line["level"] for line in lines} <= {"debug", "info", "warning", "error"}
    assert len({line["logger"] for line in lines}) > 5, "other libraries were heard too"
    assert [line for line in lines if line["level"] == "error"] == []


async def test_a_crash_and_the_recovery_from_it_print_no_word_either(tmp_path: Path, llm: LlmEmulator) -> None:
    given = {"GROQ_API_KEY": llm.key, "LLM_BASE_URL": llm.url, "LOG_LEVEL": "debug", "LOG_FORMAT": "json"}
    llm.scripts.append(Script(text="zebraanswer " * 300, rate=40))
    llm.default = Script(text="zebraanswer, whole.")
    async with running_cold(tmp_path, **given) as process, person(process, "Zebrawoman") as ana:
        root = await ana.says("@Parley zebraquestion?")
        await ana.begins(root, 30)
        printed(await process.end())
    async with running_cold(tmp_path, **given) as process:
        await process.outcomes(1)
        lines = printed(await process.end(signal.SIGTERM))
    assert [line["resumed"] for line in lines if line["event"] == "ready"] == [1]
    assert [line for line in lines if line["level"] in ("warning", "error", "critical")] == []


async def test_a_token_for_the_workspace_is_in_no_line(tmp_path: Path, llm: LlmEmulator) -> None:
    token = MARKERS["the workspace's token"]
    given = {"GROQ_API_KEY": llm.key, "LLM_BASE_URL": llm.url, "LOG_LEVEL": "debug", "LOG_FORMAT": "json"}
    async with running_cold(tmp_path, WEB_TOKEN=token, **given) as process:
        async with httpx.AsyncClient(base_url=process.url, trust_env=False) as http:
            assert (await http.get("/", params={"token": token + "x"})).status_code == 401
            assert (await http.get("/", params={"token": token})).status_code == 303
        printed(await process.end(signal.SIGTERM))
