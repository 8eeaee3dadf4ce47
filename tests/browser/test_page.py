"""The page in a real browser, before the real house: what a person sees and does with mouse, keyboard and phone."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, Route, expect

from bot.wiring import House
from tests.browser.chromium import connected
from tests.browser.conftest import listen
from tests.emulators.llm import LlmEmulator, Script
from tests.stories.home import home
from tests.stories.process import running_cold

LONG = "One sentence after another, calmly. " * 60
ANSWER = "[data-author-bot=true]"
DONE = f"{ANSWER}[data-streaming=false]"

XSS = """<script>window.pwned=1</script><img src=x onerror="window.pwned=2"> [a](javascript:window.pwned=3)
[b](data:text/html,<script>window.pwned=4</script>) ![i](https://evil.invalid/p.png) ![j](javascript:alert(1))
<svg onload="window.pwned=5"><a xlink:href="javascript:window.pwned=6">x</a></svg> <javascript:alert(1)>
[c](vbscript:x) [d]( java\tscript:1) [e](&#106;avascript:1) <https://ok.invalid/?"onclick=1>

```"><img/src=x/onerror=window.pwned=7>
"><script>window.pwned=8</script>
```

| <img src=x onerror=window.pwned=9> | a<br>b |
|--|--:|
| `<svg/onload=window.pwned=10>` | [x](https://ok.invalid "onmouseover=alert(1)") |

<iframe src="javascript:parent.pwned=11"></iframe><style>*{display:none}</style><base href="https://evil.invalid/">
<form action="https://evil.invalid"><input name=q autofocus onfocus="window.pwned=12"></form>
<a href="https://ok.invalid" id="composer-channel-text">clobber</a><math><mi xlink:href="data:x,<script>"></math>

[ref]: javascript:alert(1)
[ref] end"""


async def asks(page: Page, text: str, where: str = "channel") -> None:
    box = page.get_by_test_id(f"composer-{where}")
    await box.fill(text)
    await box.press("Enter")
    await expect(box).to_have_value("")


def thread(page: Page) -> Locator:
    return page.locator("#thread")


async def test_an_answer_grows_is_stopped_made_again_paged_and_asked_anew(page: Page, llm: LlmEmulator) -> None:
    llm.scripts.extend([Script(text=LONG, rate=20), Script(text="Made again."), Script(text="Asked anew.")])
    await asks(page, "@Parley tell me a lot")
    await expect(thread(page).locator(f"{ANSWER}[data-streaming=true] .body")).to_contain_text("One sentence")
    await expect(page.locator("#channel .working")).to_have_text("Parley is writing")
    shown = len(await thread(page).locator(f"{ANSWER} .body").inner_text())
    await page.wait_for_function(
        "before => document.querySelector('#thread [data-author-bot=true] .body').innerText.length > before", arg=shown
    )
    await thread(page).get_by_test_id("control-stop").click()
    await expect(thread(page).get_by_test_id("note")).to_have_text("Stopped.")
    await expect(thread(page).get_by_test_id("status")).to_be_hidden()
    await llm.seen[0].over.wait()
    assert llm.seen[0].left_early

    await thread(page).get_by_test_id("control-regenerate").click()
    await expect(thread(page).locator(f"{DONE} .body")).to_have_text("Made again.")
    await expect(thread(page).get_by_test_id("version-label")).to_have_text("2 / 2")
    await thread(page).get_by_test_id("version-prev").click()
    await expect(thread(page).get_by_test_id("version-label")).to_have_text("1 / 2")
    await expect(thread(page).locator(f"{DONE} .body")).to_contain_text("One sentence")
    await thread(page).get_by_test_id("version-next").click()
    await expect(thread(page).locator(f"{DONE} .body")).to_have_text("Made again.")

    question = page.locator("#channel [data-author-bot=false]")
    await question.hover()
    await question.get_by_label("Edit message").click()
    await page.get_by_test_id("editor").fill("@Parley tell me little")
    await page.get_by_test_id("editor").press("Enter")
    await expect(thread(page).locator(f"{DONE} .body")).to_have_text("Asked anew.")
    await expect(page.locator("#channel .edited")).to_be_visible()
    await expect(thread(page).locator(ANSWER)).to_have_count(1)
    assert llm.seen[-1].body["messages"][-1]["content"] == "You: tell me little"


async def test_commands_complete_and_take_effect(page: Page, llm: LlmEmulator) -> None:
    box = page.get_by_test_id("composer-channel")
    await box.press_sequentially("/ai mod")
    await expect(page.get_by_test_id("completion").first.locator("li").first).to_contain_text("model")
    await box.press("Tab")
    await expect(box).to_have_value(re.compile("^/ai model "))
    await box.press_sequentially("120b")
    await expect(page.get_by_test_id("completion").first.locator("li").first).to_contain_text("openai/gpt-oss-120b")
    await box.press("Tab")
    await expect(box).to_have_value(re.compile("^/ai model openai/gpt-oss-120b *$"))
    await box.press("Escape")
    await box.press("Enter")
    await expect(page.get_by_test_id("notice")).to_contain_text("openai/gpt-oss-120b")
    await page.get_by_test_id("notice-dismiss").click()
    await expect(page.get_by_test_id("notice")).to_have_count(0)

    await box.fill("/ai json")
    await box.press("Escape")
    await box.press("Enter")
    await expect(page.get_by_test_id("notice")).to_contain_text("json_object")
    llm.default = Script(text='{"answer": 42}')
    await asks(page, "@Parley the answer?")
    await expect(thread(page).locator(DONE)).to_contain_text('{"answer": 42}')
    assert llm.seen[-1].body["model"] == "openai/gpt-oss-120b"
    assert llm.seen[-1].body["response_format"] == {"type": "json_object"}


async def test_a_list_that_is_behind_what_was_typed_chooses_nothing_wrong(page: Page, llm: LlmEmulator) -> None:
    typed = asyncio.Event()

    async def late(route: Route) -> None:
        if "120" in (route.request.post_data or ""):
            await typed.wait()
        await route.continue_()

    await page.route("**/api/complete", late)
    box = page.get_by_test_id("composer-channel")
    await box.press_sequentially("/ai model ")
    await expect(page.get_by_test_id("completion").first.locator("li").first).to_contain_text("gpt-oss-20b")
    await box.press_sequentially("120")
    await box.press("Tab")
    await expect(box).to_have_value("/ai model 120")
    typed.set()
    await expect(box).to_have_value(re.compile("^/ai model openai/gpt-oss-120b *$"))

    typed.clear()
    await box.fill("/ai model openai/gpt-oss-120b")
    await box.press("Enter")
    await expect(page.get_by_test_id("notice")).to_contain_text("openai/gpt-oss-120b")
    typed.set()
    await asks(page, "@Parley hello")
    await expect(thread(page).locator(DONE)).to_be_visible()
    assert llm.seen[-1].body["model"] == "openai/gpt-oss-120b"
    await expect(page.locator("#channel .day:visible")).to_have_count(1)


async def test_the_settings_form_names_the_field_that_is_wrong_and_saves_when_it_is_right(
    page: Page, llm: LlmEmulator
) -> None:
    await page.get_by_test_id("open-settings").click()
    await page.locator("#setting-temperature").fill("hot")
    await page.get_by_test_id("settings-save").click()
    wrong = page.get_by_test_id("field-temperature").locator(".field-error")
    await expect(wrong).to_be_visible()
    assert "`" not in await wrong.inner_text()
    await expect(wrong).to_contain_text("temperature takes a number from 0 to 2")
    await expect(wrong).to_be_in_viewport(ratio=1)
    await expect(page.locator("#setting-temperature")).to_be_focused()
    await page.locator("#setting-temperature").fill("0.4")
    await page.get_by_test_id("settings-save").click()
    await expect(page.get_by_test_id("settings-dialog")).to_be_hidden()
    await asks(page, "@Parley hello")
    await expect(thread(page).locator(DONE)).to_be_visible()
    assert llm.seen[-1].body["temperature"] == 0.4


async def test_people_switch_and_the_room_changes_its_manners_and_a_reload_keeps_all(
    page: Page, llm: LlmEmulator
) -> None:
    await asks(page, "@Parley hello")
    await expect(thread(page).locator(DONE)).to_be_visible()
    await page.get_by_test_id("people").click()
    await page.get_by_test_id("add-person").click()
    await page.get_by_test_id("naming-input").fill("Ada Byron")
    await page.keyboard.press("Enter")
    await expect(page.locator("#me .name")).to_have_text("Ada Byron")
    await connected(page)
    await asks(page, "me too", "thread")
    await expect(thread(page).locator(DONE)).to_have_count(2)
    assert llm.seen[-1].body["messages"][-1]["content"] == "Ada Byron: me too"
    await page.get_by_test_id("behave-discord").check()
    await expect(page.get_by_test_id("behave-line")).to_contain_text("Discord")
    await page.get_by_test_id("composer-channel").fill("half a thought")
    before = await thread(page).locator(".messages").inner_text()
    await page.reload()
    await connected(page)
    await expect(page.locator("#me .name")).to_have_text("Ada Byron")
    await expect(page.get_by_test_id("behave-discord")).to_be_checked()
    await expect(page.get_by_test_id("composer-channel")).to_have_value("half a thought")
    await expect(thread(page).locator(DONE)).to_have_count(2)
    assert await thread(page).locator(".messages").inner_text() == before


@pytest.mark.parametrize("place", ["question", "answer"])
async def test_markup_runs_nothing_loads_nothing_and_reads_the_same_streamed_and_afresh(
    page: Page, opened: House, llm: LlmEmulator, place: str, complaints: list[str]
) -> None:
    asked_for: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))
    llm.default = Script(text=XSS if place == "answer" else "Seen.", rate=200)
    await page.locator("[data-testid^='room-dm-']").click()
    await asks(page, XSS if place == "question" else "go")
    await expect(page.locator(f"#channel {DONE}").get_by_test_id("control-regenerate")).to_be_visible(timeout=60_000)
    which = "false" if place == "question" else "true"
    body = page.locator(f"#channel [data-author-bot={which}] .body")
    await expect(body).to_contain_text("end")
    html = await body.inner_html()
    assert await page.evaluate("window.pwned") is None
    found = await body.evaluate("e => [...e.querySelectorAll('*:not(.copy-code *)')].map(n => n.tagName.toLowerCase())")
    assert not {"script", "img", "svg", "iframe", "style", "base", "form", "input", "math"} & set(found)
    addresses = await body.evaluate("e => [...e.querySelectorAll('a')].map(a => a.protocol)")
    assert set(addresses) <= {"http:", "https:", "mailto:"}
    handlers = await body.evaluate(
        "e => [...e.querySelectorAll('*')].flatMap(n => [...n.attributes]).filter(a => /^on|style/.test(a.name)).length"
    )
    assert handlers == 0
    await page.reload()
    await expect(body).to_contain_text("end")
    await expect(page.locator(f"#channel {ANSWER} .controls")).to_be_visible()
    assert await body.inner_html() == html
    assert [url for url in asked_for if not url.startswith((opened.url, opened.url.replace("http", "ws")))] == []
    assert await page.evaluate("window.pwned") is None


async def test_everything_can_be_done_with_the_keyboard_alone(page: Page, llm: LlmEmulator) -> None:
    llm.scripts.append(Script(text=LONG, rate=20))
    keys = page.keyboard
    await page.locator("body").press("Tab")
    await expect(page.locator("#skip")).to_be_focused()
    await keys.press("Enter")
    await expect(page.get_by_test_id("composer-channel")).to_be_focused()
    await keys.type("@Parley go on")
    await keys.press("Enter")
    await expect(page.get_by_test_id("composer-thread")).to_be_focused()
    await tab_to(page, "control-stop", back=True)
    await keys.press("Enter")
    await expect(thread(page).get_by_test_id("note")).to_have_text("Stopped.")
    await tab_to(page, "control-regenerate", back=None)
    await keys.press("Enter")
    await expect(thread(page).locator(f"{DONE} .body")).to_have_text(llm.default.text)
    await tab_to(page, "version-prev", back=None)
    await keys.press("Enter")
    await expect(thread(page).get_by_test_id("version-label")).to_have_text("1 / 2")
    await keys.press("Escape")
    await expect(thread(page)).to_be_hidden()
    await keys.press("Control+k")
    await keys.type("random")
    await keys.press("Enter")
    await expect(page.locator("#channel-name")).to_have_text("# random")
    await expect(page.get_by_test_id("composer-channel")).to_be_focused()
    await keys.type("plain words")
    await keys.press("Enter")
    await expect(page.locator("#channel [data-author-bot=false]")).to_have_count(1)
    await expect(page.get_by_test_id("composer-channel")).to_have_value("")  # the message may be seen before it is sent
    await keys.press("ArrowUp")
    await expect(page.get_by_test_id("editor")).to_be_focused()
    await keys.type(", changed")
    await keys.press("Enter")
    await expect(page.locator("#channel [data-author-bot=false] .body")).to_have_text("plain words, changed")


async def test_on_a_phone_nothing_is_wider_than_the_screen_and_the_way_there_and_back_works(
    browser: Browser, opened: House, llm: LlmEmulator, complaints: list[str]
) -> None:
    llm.default = Script(text=f"{'x' * 300}\n\n```\n{'y' * 300}\n```\n\n|a|b|\n|--|--|\n|{'word ' * 40}|{'z' * 200}|")
    page = await browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    listen(page, complaints)
    await page.goto(opened.url)
    await connected(page)
    await page.get_by_test_id("file-input").first.set_input_files(
        {"name": f"{'a long name ' * 8}.txt", "mimeType": "text/plain", "buffer": b"short"}
    )
    await expect(page.locator("#channel .chip:not(.loading)")).to_have_count(1)
    await page.get_by_test_id("composer-channel").fill("@Parley wide things")
    await page.get_by_test_id("send-channel").tap()
    await expect(thread(page).get_by_test_id("control-regenerate")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    inside = await thread(page).locator(f"{DONE} .body").bounding_box()
    assert inside is not None
    assert inside["x"] + inside["width"] <= 390
    attached = await thread(page).locator(".file").bounding_box()
    assert attached is not None
    assert attached["x"] + attached["width"] <= 390
    await page.locator("#close-thread-narrow").tap()
    await expect(thread(page)).to_be_hidden()
    await page.locator("#open-sidebar").tap()
    await page.get_by_test_id("room-random").tap()
    await expect(page.locator("#channel-name")).to_have_text("# random")
    await expect(page.locator("#sidebar")).not_to_be_in_viewport()
    small = await page.evaluate(
        "[...document.querySelectorAll('button')].filter(b => b.offsetParent && b.getBoundingClientRect().x >= 0)"
        ".filter(b => b.offsetHeight < 24 || b.offsetWidth < 24).map(b => b.outerHTML.slice(0, 80))"
    )
    assert small == []


async def test_a_tab_that_was_away_in_the_middle_of_an_answer_shows_all_of_it(
    page: Page, context: BrowserContext, opened: House, llm: LlmEmulator, complaints: list[str]
) -> None:
    llm.default = Script(text="\n\n".join(f"Line number {n}." for n in range(300)), rate=500)
    await asks(page, "@Parley count")
    await expect(thread(page).locator(f"{ANSWER} p").nth(10)).to_be_visible()
    await page.evaluate("location.reload()")
    await connected(page)
    await expect(thread(page).locator(f"{DONE} p")).to_have_count(300, timeout=60_000)
    other = await context.new_page()
    listen(other, complaints)
    await other.goto(page.url)
    await expect(other.locator(f"#thread {DONE} p")).to_have_count(300)


async def test_what_is_refused_stays_in_the_box_with_the_reason_above_it(
    page: Page, llm: LlmEmulator, complaints: list[str]
) -> None:
    words = "@Parley " + "x" * 40_000
    box = page.get_by_test_id("composer-channel")
    await box.fill(words)
    await box.press("Enter")
    sentence = "A message can have 40,000 characters at most; this one has 40,008."
    await expect(page.get_by_test_id("composer-channel-error")).to_have_text(sentence)
    await expect(box).to_have_value(words)
    await expect(box).to_be_editable()
    await box.fill("@Parley short")
    await box.press("Enter")
    await expect(thread(page).locator(DONE)).to_be_visible()
    assert [text for text in complaints if "400" in text]
    complaints.clear()


async def test_a_file_is_attached_shown_and_read(page: Page, llm: LlmEmulator) -> None:
    await page.get_by_test_id("file-input").first.set_input_files(
        {"name": "notes <b>.txt", "mimeType": "text/plain", "buffer": b"the moon is made of basalt"}
    )
    await expect(page.locator("#channel .chip:not(.loading)")).to_have_count(1)
    await asks(page, "@Parley what is it made of?")
    await expect(thread(page).locator(DONE)).to_be_visible()
    await expect(page.locator("#channel .file-name")).to_have_text("notes <b>.txt")
    assert "basalt" in llm.seen[-1].body["messages"][-1]["content"]


async def test_a_provider_that_fails_leaves_a_sentence_and_a_retry_that_answers(page: Page, llm: LlmEmulator) -> None:
    llm.scripts.append(Script(status=400, body={"error": {"message": "no", "type": "invalid_request_error"}}))
    await asks(page, "@Parley hello")
    await expect(thread(page).get_by_test_id("control-retry")).to_be_visible()
    assert (await thread(page).locator(f"{DONE} .body").inner_text()).strip()
    await thread(page).get_by_test_id("control-retry").click()
    await expect(thread(page).locator(f"{DONE} .body")).to_have_text(llm.default.text)
    await expect(thread(page).locator(ANSWER)).to_have_count(1)


async def test_after_a_restart_of_the_process_the_page_comes_back_by_itself_and_the_thread_goes_on(
    tmp_path: Path, context: BrowserContext, llm: LlmEmulator, complaints: list[str]
) -> None:
    llm.scripts.extend([Script(text="First."), Script(text="Second.")])
    variables = {"GROQ_API_KEY": llm.key, "LLM_BASE_URL": llm.url}
    page = await context.new_page()
    async with running_cold(tmp_path, **variables) as before:
        await page.goto(before.url)
        await connected(page)
        await asks(page, "@Parley one")
        await expect(thread(page).locator(f"{DONE} .body")).to_have_text("First.")
    await expect(page.get_by_test_id("connection")).not_to_have_attribute("data-state", "open")
    await page.get_by_test_id("composer-thread").fill("two")
    async with running_cold(tmp_path, **variables, PORT=str(before.port)):
        await connected(page)
        await expect(page.get_by_test_id("composer-thread")).to_have_value("two")
        await page.get_by_test_id("composer-thread").press("Enter")
        await expect(thread(page).locator(f"{DONE} .body")).to_have_text(["First.", "Second."])
    said = [(m["role"], m["content"]) for m in llm.seen[1].body["messages"][1:]]
    assert said == [("user", "You: one"), ("assistant", "First."), ("user", "You: two")]


async def test_a_newcomer_without_a_key_is_greeted_and_the_guide_answers(
    tmp_path: Path, browser: Browser, complaints: list[str]
) -> None:
    async with home(tmp_path, None) as opened:
        page = await browser.new_page()
        listen(page, complaints)
        await page.goto(opened.url)
        await connected(page)
        await expect(page.get_by_test_id("backend-line")).to_have_text("The built-in guide answers for now.")
        await page.get_by_test_id("welcome").locator(".example").first.click()
        await expect(page.get_by_test_id("composer-channel")).to_have_value(re.compile("^@Parley "))
        await page.get_by_test_id("composer-channel").press("Enter")
        await expect(thread(page).get_by_test_id("control-regenerate")).to_be_visible(timeout=60_000)
        await page.close()


async def tab_to(page: Page, test_id: str, *, back: bool | None) -> None:
    """Press Tab (or Shift+Tab, or whichever gets there) until the control has the focus."""
    for key in ["Shift+Tab", "Tab"] if back is None else ["Shift+Tab" if back else "Tab"]:
        for _ in range(40):
            if await page.evaluate("document.activeElement.dataset.testid") == test_id:
                return
            await page.keyboard.press(key)
    raise AssertionError(f"{test_id} cannot be reached with the keyboard")
