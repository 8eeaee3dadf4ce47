"""Each behaviour keeps its own limits, and its budgets never run into what it enforces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.web import discord_text, slack_text
from adapters.web.dialect import BEHAVIOURS, Behaviour
from adapters.web.windows import Window, Windows
from bot.events import Address

_MARKDOWN = st.text(st.sampled_from("ab |-#`~*@\n[](!)<>&1漢"), max_size=300)
_PIECES = st.lists(
    st.sampled_from(
        ["@everyone ", "<@1>", "<!channel>", "| a | b |\n|---|---|\n| x | y |\n", "#### h\n", "```\n", "a\n"]
    ),
    max_size=600,
)


@given(_MARKDOWN | _PIECES.map("".join))
def test_what_discord_is_sent_always_fits(text: str) -> None:
    assert len(discord_text.render(text[: discord_text.PART_LIMIT])) <= discord_text.HARD_LIMIT


@given(_MARKDOWN | _PIECES.map("".join))
def test_what_slack_is_sent_always_fits(text: str) -> None:
    assert len(slack_text.render((text * 9)[: slack_text.PART_LIMIT])) <= slack_text.HARD_LIMIT


@given(_MARKDOWN | _PIECES.map("".join))
def test_nobody_can_be_pinged(text: str) -> None:
    discord = discord_text.render(text[: discord_text.PART_LIMIT])
    assert "@everyone" not in discord
    assert "@here" not in discord
    assert "<@1" not in discord
    slack = slack_text.render(text[: slack_text.PART_LIMIT])
    assert "<!channel" not in slack
    assert "<@" not in slack


def test_a_table_becomes_a_monospace_block() -> None:
    text = "| Name | **n** |\n|:--|--:|\n| `ä` | 1 |\n| 漢字 | 22 |"
    assert discord_text.render(text) == "```\nName | n\n-----+---\nä    | 1\n漢字 | 22\n```"


def test_lines_discord_cannot_show_become_lines_it_can() -> None:
    text = "#### Deep\n# High\n- [x] done\n---\n![logo](https://x.example/a.png)"
    assert discord_text.render(text) == "**Deep**\n# High\n- ☑ done\n\n[logo](https://x.example/a.png)"


def test_code_stays_as_it_is() -> None:
    text = "```md\n#### Deep\n| a | b |\n|---|---|\n```\n"
    assert discord_text.render(text) == text


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
def test_a_core_that_spends_its_whole_budget_is_never_refused(behaviour: Behaviour) -> None:
    address = Address("web", "local", "general", "1")
    for allowance in (behaviour.create, behaviour.update):
        if allowance.window is None:
            continue
        windows, budget, now = Windows(), allowance.budget, 0.0
        for _ in range(budget.burst):
            assert windows.take(allowance.key("x", address), allowance.window, now) == 0
        for _ in range(500):
            now += 1 / budget.rate
            assert windows.take(allowance.key("x", address), allowance.window, now) == 0


def test_a_window_lets_through_what_it_allows_and_then_says_how_long_to_rest() -> None:
    windows, window = Windows(), Window(2, 5.0)
    assert [windows.take("k", window, now) for now in (0.0, 1.0, 2.0, 4.5)] == [0, 0, 3.0, 0.5]
    assert windows.take("other", window, 2.0) == 0
    assert windows.take("k", window, 5.0) == 0


def test_a_bucket_is_named_by_what_the_platform_counts() -> None:
    one, two = Address("web", "local", "general", "1"), Address("web", "local", "general", "2")
    slack, discord = BEHAVIOURS["slack"], BEHAVIOURS["discord"]
    assert slack.update.key("slack", one) == slack.update.key("slack", two)
    assert slack.create.key("slack", one) != slack.create.key("slack", Address("web", "local", "random", "1"))
    assert discord.update.key("discord", one) != discord.update.key("discord", two)
