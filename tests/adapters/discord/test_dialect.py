"""The model's Markdown as Discord shows it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.controls import content, nonce, notice_texts, pressed
from adapters.discord.dialect import DISCORD, HARD_LIMIT, PART_LIMIT, escape, render, weigh
from bot.events import Action
from bot.replies import Controls, Notice
from bot.reply.draft import Draft

SNIPPETS = st.sampled_from(
    [
        "@everyone",
        "<@&12>",
        "<@12>",
        "```py\n",
        "```",
        "~~~\n",
        "````\n",
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
        "|",
        "\n",
        "> > x\n",
        "-# small\n",
        "||x||",
        "__init__",
        "#### h\n",
        "---\n",
        "![a](http://b)",
        "`",
        "**",
        " ",
        "漢字",
        "@",
        "<",
    ]
)
TEXTS = st.lists(st.one_of(SNIPPETS, st.text(max_size=30)), max_size=120).map(lambda it: "".join(it)[:PART_LIMIT])


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain **bold** *it* `code`", "plain **bold** *it* `code`"),
        ("# One\n## Two\n### Three", "# One\n## Two\n### Three"),
        ("#### Four\n##### **Five** ##", "**Four**\n**Five**"),
        ("#### Using `**kwargs` in **Python**", "**Using `**kwargs` in Python**"),
        ("Title\n=====\ntext", "**Title**\ntext"),
        ("above\n\n---\n\nbelow", "above\n\n\n\nbelow"),
        ("![a cat](https://x.org/c.png)", "[a cat](https://x.org/c.png)"),
        ("[there](/docs) [here](https://x.org)", "there (/docs) [here](https://x.org)"),
        ("> one\n> > two\n>>> three", "> one\n> two\n> three"),
        ("- [ ] open\n- [x] done", "- ☐ open\n- ☑ done"),
        ("+ plus", "- plus"),
        ("a || b || c", "a \\|\\| b \\|\\| c"),
        ("-# not small", "\\-# not small"),
        ("__strong__ but not snake__case__x", "**strong** but not snake__case__x"),
        ("`||` and `@everyone` stay", "`||` and `@everyone` stay"),
        ("@everyone <@1> <@&2> <#3>", "@\u200beveryone <\u200b@1> <\u200b@&2> <#3>"),
        ("one<br>two", "one\ntwo"),
        ("~~~rust title=x\nlet a;\n~~~", "```rust\nlet a;\n```"),
        ("````md\n```\ninner\n```\n````", "```md\n`\u200b``\ninner\n`\u200b``\n```"),
        ("```\n| not | a table |\n#### x\n```", "```\n| not | a table |\n#### x\n```"),
    ],
)
def test_what_discord_cannot_show_becomes_what_it_can(written: str, shown: str) -> None:
    assert render(written) == shown


def test_a_table_becomes_an_aligned_block_that_counts_wide_characters() -> None:
    table = "| City | 人口 |\n|:--|--:|\n| **東京** | 14 |\n| Bonn | 0.3 |"
    assert render(table) == "```\nCity | 人口\n-----+-----\n東京 | 14\nBonn | 0.3\n```".replace(
        "-----+-----", "-----+-----"
    )


def test_a_wide_table_becomes_a_list() -> None:
    table = f"| Name | Story |\n|---|---|\n| Ann | {'long ' * 20}|\n| Bob | |"
    assert render(table) == f"- **Ann**\n  - Story: {('long ' * 20).strip()}\n- **Bob**"


def test_a_table_in_a_quote_is_shown_inside_of_the_quote() -> None:
    assert render("> so:\n> | q | r |\n> |---|---|\n> | 1 | 2 |\nand") == (
        "> so:\n> ```\n> q | r\n> --+--\n> 1 | 2\n> ```\nand"
    )
    wide = f"> | `**q` | r |\n> |---|---|\n> | `**a` | {'long ' * 20}|"
    assert render(wide) == f"> - **`**a`**\n>   - r: {('long ' * 20).strip()}"


def test_a_wide_table_with_no_room_for_a_line_for_each_cell_gets_one_for_each_row() -> None:
    row = "| `**option_{0}` | It changes how the thing number {0} behaves when it runs | with care, see page {0} |"
    rows = [row.format(number) for number in range(18)]
    table = "\n".join(["| Option of this kind | What it is good for | Remark |", "|---|---|---|", *rows])
    assert weigh(table) <= PART_LIMIT
    lines = render(table).split("\n")
    assert lines[:2] == [
        "**Option of this kind · What it is good for · Remark**",
        "- **`**option_0`** · It changes how the thing number 0 behaves when it runs · with care, see page 0",
    ]
    assert len(lines) == 19


def test_a_table_too_large_for_its_frame_loses_the_frame_and_no_word() -> None:
    rows = "\n".join(f"| r{number} | {'x' * (number % 7)} | z |" for number in range(100))
    table = f"| a | bbbbbbbbbbbbbbbbbbbbbbbbbbb | c |\n|---|---|---|\n{rows}"[:PART_LIMIT]
    shown = render(table)
    assert len(shown) <= HARD_LIMIT
    assert "r80" in shown


@given(TEXTS)
def test_every_part_fits_and_is_not_blank(text: str) -> None:
    shown = render(text)
    assert shown.strip()
    assert len(shown) <= HARD_LIMIT


@given(TEXTS.map(lambda text: re.sub("[`~]", "", text)))
def test_outside_of_code_nobody_can_be_pinged(text: str) -> None:
    words = re.sub(r"```.*?```", "", render(text), flags=re.DOTALL)  # a table's frame is code
    assert not re.search(r"<@[!&]?\d|@everyone|@here", words)


@given(TEXTS, st.lists(st.text(max_size=700), max_size=4))
def test_text_and_notes_fit_together(text: str, notes: list[str]) -> None:
    assert len(content(text, notes, None, "m")["content"]) <= HARD_LIMIT


def test_a_note_is_small_print_below_the_text() -> None:
    assert content("Text.", ("Stopped.",), None, "m")["content"] == "Text.\n-# Stopped."


def test_a_full_message_and_a_note_become_two_that_show_both_whole() -> None:
    notes = ("Cut off at the token limit.", "Two older messages were left out.")
    draft = Draft(DISCORD)
    draft.add("word " * 399)
    draft.finish(room=DISCORD.weigh_notes(notes))
    first, last = (part.text for part in draft.sealed)
    assert content(first, (), None, "m")["content"] + " " + last == ("word " * 399).strip()
    assert content(last, notes, None, "m")["content"] == f"{last}\n-# {notes[0]}\n-# {notes[1]}"


@given(TEXTS)
def test_what_has_to_be_taken_apart_was_weighed_before(text: str) -> None:
    taken_apart = text.replace("||", "\\|\\|").replace("@everyone", "@\u200beveryone")
    taken_apart = re.sub(r"<(?=@[!&]?\d)", "<\u200b", taken_apart)
    assert len(taken_apart) <= weigh(text)


def test_buttons_carry_the_reply_they_stand_under() -> None:
    controls = Controls(stop=True, regenerate=True, feedback=True, version=2, versions=3)
    rows = content("Text.", (), controls, "mark")["components"]
    ids = [button["custom_id"] for row in rows for button in row["components"]]
    assert [pressed(id) for id in ids] == [
        (Action.STOP, "mark", ""),
        (Action.REGENERATE, "mark", ""),
        (Action.VERSION, "mark", "1"),
        (Action.VERSION, "mark", "3"),
        (Action.FEEDBACK, "mark", "up"),
        (Action.FEEDBACK, "mark", "down"),
        (Action.WHY, "mark", ""),
    ]
    assert len(set(ids)) == len(ids)
    assert all(len(row["components"]) <= 5 for row in rows)


@pytest.mark.parametrize("custom_id", ["", "parley", "parley:stop", "parley:stop::", "other:stop:m:", "parley:x:m:"])
def test_other_components_are_not_ours(custom_id: str) -> None:
    assert pressed(custom_id) is None


def test_a_nonce_is_short_and_the_same_for_the_same_part_only() -> None:
    assert nonce("m", 0, "c") == nonce("m", 0, "c")
    assert (
        len({nonce("m", 0, "c"), nonce("m", 1, "c"), nonce("n", 0, "c"), nonce("m", 0, "d"), nonce("m", 0, "c", 1)})
        == 5
    )
    assert len(nonce("m" * 100, 9, "c")) <= 25


def test_a_long_notice_becomes_several_messages_cut_between_lines() -> None:
    lines = [f"line {number}: " + "x" * 60 for number in range(60)]
    texts = notice_texts(Notice("\n".join(lines)))
    assert "\n".join(texts) == "\n".join(lines)
    assert all(len(text) <= HARD_LIMIT for text in texts)


def test_a_name_cannot_form_marks() -> None:
    assert escape("**Eve** @everyone\n# x") == "\\*\\*Eve\\*\\* @\u200beveryone # x"
