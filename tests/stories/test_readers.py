"""Several people, several tabs, several threads, and rooms with the manners of Slack and of Discord."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Origin

from bot.wiring import House
from tests.emulators.llm import LlmEmulator, Script
from tests.stories.home import Person, home, person
from tests.stories.parts import rejoined

WORDS = " ".join(f"word{number}" for number in range(600))
CODE = "\n".join(f"def step_{number}(): return {number}" for number in range(90))
LIST = "- one\n- two with **bold words**"
MIXED = f"First a few words.\n\n{WORDS[:1500]}\n\n```python\n{CODE}\n```\n\n{LIST}\n\n{WORDS[:1400]}"


async def slow_downs(opened: House) -> int:
    """How often the room refused a write because it came too soon."""
    async with httpx.AsyncClient(trust_env=False) as http:
        page = (await http.get(f"{opened.url}/metrics")).text
    assert "# TYPE parley_slow_downs_total counter" in page
    lines = [line for line in page.splitlines() if line.startswith("parley_slow_downs_total{")]
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines))


async def test_an_answer_is_finished_though_nobody_looks_and_is_there_on_return(
    opened: House, llm: LlmEmulator
) -> None:
    llm.default = Script(text=WORDS, rate=1_500)
    async with person(opened, "Ana") as ana:
        root = await ana.says("@Parley count")
        await ana.begins(root)
    await llm.seen[0].over.wait()
    assert not llm.seen[0].left_early
    async with person(opened, "Ana") as again, asyncio.timeout(60):
        assert again.id == ana.id
        while not (found := await again.thread(root)) or found[0]["streaming"]:
            await asyncio.sleep(0.02)
    assert [m["text"] for m in found] == [WORDS]
    assert found[0]["controls"]["regenerate"]


async def test_two_tabs_of_one_person_and_one_of_another_see_the_same_steps(
    opened: House, ana: Person, bo: Person, llm: LlmEmulator
) -> None:
    llm.default = Script(text=MIXED, rate=900)
    async with person(opened, "Ana") as second:
        assert second.id == ana.id
        root = await ana.says("@Parley a lot")
        tabs = (ana, second, bo)
        answers = [await tab.answer(root) for tab in tabs]
        steps = [[e for e in tab.seen if e["type"] == "text"] for tab in tabs]
    assert [answer["text"] for answer in answers] == [MIXED] * 3
    numbered = [[{key: value for key, value in event.items() if key != "n"} for event in tab] for tab in steps]
    assert numbered[0] == numbered[1] == numbered[2]
    assert len(numbered[0]) > 3


async def test_every_step_makes_the_text_the_length_it_says(ana: Person, llm: LlmEmulator) -> None:
    llm.default = Script(text=MIXED.replace("word1", "wörd🎉"), rate=900)
    root = await ana.says("@Parley a lot")
    answer = await ana.answer(root)
    text, steps = "", 0
    for event in ana.seen:
        if event["type"] == "message" and event["message"]["id"] == answer["id"]:
            text = event["message"]["text"]
        elif event["type"] == "text" and event["id"] == answer["id"]:
            units = text.encode("utf-16-le")[: event["keep"] * 2]
            text = units.decode("utf-16-le") + event["tail"]
            assert len(text.encode("utf-16-le")) // 2 == event["len"]
            steps += 1
    assert text == llm.default.text
    assert steps > 3


async def test_a_tab_that_comes_back_in_the_middle_of_an_answer_misses_nothing(
    opened: House, ana: Person, llm: LlmEmulator
) -> None:
    llm.default = Script(text=WORDS, rate=600)
    root = await ana.says("@Parley count")
    await ana.begins(root, 50)
    async with person(opened, "Ana") as back:
        assert [m["streaming"] for m in await back.thread(root)] == [True]
        assert (await back.answer(root))["text"] == WORDS
    assert (await ana.answer(root))["text"] == WORDS


async def test_a_tab_opened_while_the_bot_works_sees_the_working_sign(
    opened: House, ana: Person, llm: LlmEmulator
) -> None:
    llm.default = Script(text="Late.", ttft=1.0)
    root = await ana.says("@Parley think")
    await ana.until(lambda: ana.statuses)
    async with person(opened, "Bo") as bo:
        await bo.until(lambda: bo.statuses)
        assert bo.statuses == ["thinking"]
        await bo.answer(root)
        await bo.until(lambda: bo.statuses[-1] is None)


async def test_a_tab_that_does_not_read_holds_up_neither_the_answer_nor_the_other_tabs(
    opened: House, ana: Person, llm: LlmEmulator
) -> None:
    llm.default = Script(text="x" * 60_000)
    address = opened.url.replace("http://", "ws://") + "/ws?person=sleeper"
    async with connect(address, origin=Origin(opened.url), proxy=None, max_queue=1) as sleeper:
        root = await ana.says("@Parley flood")
        await ana.until(lambda: [m for m in ana.replies(root) if m["controls"] and m["controls"]["regenerate"]])
        assert sum(len(m["text"]) for m in ana.replies(root)) == 60_000
        numbers = [event["n"] for event in ana.seen]
        assert numbers == list(range(1, len(numbers) + 1))
        sleeper.transport.abort()


async def test_two_people_at_once_each_get_their_own_answer(ana: Person, bo: Person, llm: LlmEmulator) -> None:
    llm.markers = {"for Ana": Script(text="Yours, Ana.", ttft=0.1), "for Bo": Script(text="Yours, Bo.", ttft=0.1)}
    one, two = await asyncio.gather(
        ana.says("@Parley for Ana", client_id="a"), bo.says("@Parley for Bo", client_id="b")
    )
    assert (await ana.answer(one))["text"] == "Yours, Ana."
    assert (await ana.answer(two))["text"] == "Yours, Bo."
    assert llm.seen[0].body["user"] != llm.seen[1].body["user"]


async def test_three_threads_at_once_are_answered_side_by_side_and_never_mixed(ana: Person, llm: LlmEmulator) -> None:
    llm.markers = {f"number {n}": Script(text=f"Answer {n}. " * 300, rate=300) for n in range(3)}
    roots = [await ana.says(f"@Parley number {n}") for n in range(3)]
    await ana.until(lambda: all(ana.replies(root) for root in roots))
    assert [len(ana.replies(root)) for root in roots] == [1, 1, 1]
    assert any(ana.replies(root)[0]["streaming"] for root in roots)
    answers = [(await ana.answer(root))["text"] for root in roots]
    assert answers == [(f"Answer {n}. " * 300).strip() for n in range(3)]


async def test_what_is_said_directly_is_seen_by_nobody_else(ana: Person, bo: Person, llm: LlmEmulator) -> None:
    llm.default = Script(text="A secret.")
    await ana.says("tell me", channel=f"dm-{ana.id}")
    await ana.until(lambda: [m for m in ana.messages.values() if m["author"]["bot"] and not m["streaming"]])
    root = await ana.says("@Parley aloud")
    await bo.answer(root)
    assert {m["channel"] for m in bo.messages.values()} == {"general"}
    looked = await bo.http.get("/api/messages", params={"person": bo.id, "channel": f"dm-{ana.id}"})
    assert (looked.status_code, looked.json()["error"]) == (404, "There is no such channel.")


@pytest.mark.parametrize(("behave", "limit"), [("slack", 12_000), ("discord", 2_000)])
async def test_a_room_with_a_platforms_manners_gets_every_word_in_parts_that_fit_and_no_write_too_soon(
    tmp_path: Path, llm: LlmEmulator, behave: str, limit: int
) -> None:
    llm.default = Script(text=MIXED if behave == "discord" else f"{MIXED}\n\n{MIXED}\n\n{MIXED[:4000]}", rate=4_000)
    async with home(tmp_path, llm) as opened, person(opened) as ana:
        assert (await ana.post("/api/behave", {"behave": behave})).status_code == 200
        root = await ana.says("@Parley everything")
        async with asyncio.timeout(90):
            while not [m for m in ana.replies(root) if m["controls"] and m["controls"]["regenerate"]]:
                await asyncio.sleep(0.05)
        parts = [m["text"] for m in ana.replies(root)]
        assert await slow_downs(opened) == 0
    assert len(parts) > 1
    assert max(map(len, parts)) <= limit
    assert [part.count("```") % 2 for part in parts] == [0] * len(parts)
    assert rejoined(llm.default.text, parts)


async def test_where_writes_are_scarce_conversations_share_them_and_all_come_to_their_end(
    opened: House, ana: Person, llm: LlmEmulator
) -> None:
    await ana.post("/api/behave", {"behave": "slack"})
    llm.answer = lambda body: Script(text=f"{json.dumps(body['messages'][-1]['content'])} " + WORDS[:1200], rate=300)
    roots = [await ana.says(f"@Parley question {n}", client_id=f"q{n}") for n in range(5)]
    answers = [await ana.answer(root) for root in roots]
    assert [answer["text"] for answer in answers] == [f'"Ana: question {n}" ' + WORDS[:1200].rstrip() for n in range(5)]
    assert await slow_downs(opened) == 0


async def test_the_rejoining_that_these_tests_trust_sees_what_is_missing_doubled_or_out_of_order() -> None:
    text = "One.\n\n```py\na\nb\n```\n\nTwo."
    assert rejoined(text, ["One.\n\n```py\na\n```", "```py\nb\n```\n\nTwo."])
    assert rejoined(text, ["One.", "```py\na\nb\n```", "Two."])
    assert not rejoined(text, ["One.\n\n```py\na\n```", "```py\n```\n\nTwo."])
    assert not rejoined(text, ["One.", "One.", "```py\na\nb\n```", "Two."])
    assert not rejoined(text, ["Two.", "```py\na\nb\n```", "One."])
    assert not rejoined(text, ["One.", "```py\na\nb\n```"])
