"""A preview of unfinished Markdown is well formed, and what is complete stays as it is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.reply.markdown import close, preview, scan_lines
from tests.bot.reply.samples import texts

SAMPLE = """\
# Sorting in Python

Use **sorted** for a *new* list, or ***really*** `list.sort()` to sort ~~a copy~~ in place; see
[the *sorting* guide](https://docs.python.org/3/howto/sorting_(a).html "How to") and ![a chart](https://example.org/c.png).

1. First, **bold over
   two lines** and ``a ` tick``.
2. Then snake_case_names and 2 * 3 * 4 stay.
   - nested [x] item with `code`

> A quote with **bold** text.

```python
def key(item: str) -> int:
    return len(item) ** 2  # **not bold** `not code`
```

| Method | Stable |
|--------|:------:|
| `sort` | **yes** |
| other  | no |

---

~~~
```
~~~

Done, with a __last__ word_._
"""
RENDER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("so **bold", "so **bold**"),
        ("so **bold*", "so **bold**"),
        ("so **", "so"),
        ("**a *b", "**a *b***"),
        ("***both", "***both***"),
        ("a ~~gone", "a ~~gone~~"),
        ("an _it", "an _it_"),
        ("run `ls -l", "run `ls -l`"),
        ("run ``a ` b", "run ``a ` b``"),
        ("run ``a ` b`", "run ``a ` b``"),
        ("end `", "end"),
        ("see [docs](https://exa", "see docs"),
        ("see [docs](https://exa_(b", "see docs"),
        ("**see [docs](htt", "**see docs**"),
        ("a picture: ![alt](htt", "a picture: alt"),
        ("see [docs", "see [docs"),
        ("escaped \\", "escaped"),
        ("Text\n-", "Text"),
        ("Text\n==", "Text"),
        ("Text\n1.", "Text"),
        ("Text\n``", "Text"),
        ("Text\n```", "Text"),
        ("Text\n```pyth", "Text"),
        ("Text\n```python\n", "Text"),
        ("```python\nx = 1", "```python\nx = 1\n```"),
        ("```python\nx = 1\n``", "```python\nx = 1\n```"),
        ("````\n```\nx", "````\n```\nx\n````"),
        ("~~~\nx", "~~~\nx\n~~~"),
        ("- item\n  ```js\n  x", "- item\n  ```js\n  x\n  ```"),
        ("> ```\n> x", "> ```\n> x\n> ```"),
        ("| a | b |\n|--", "| a | b |"),
        ("| a | b |\n|---|---|\n| 1 | **tw", "| a | b |\n|---|---|\n| 1 | **tw**"),
    ],
)
def test_what_is_half_open_is_closed_or_left_out(text: str, shown: str) -> None:
    assert close(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        SAMPLE,
        "2 * 3 = 6, 2 ** 3 = 8",
        "snake_case_name and __init__.py",
        "an unpaired *star in one paragraph\n\nand another.",
        "```python\nx = 1\n```",
        "> ```\n> x\n> ```",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "escaped \\*stars\\*",
        "rule\n\n---",
        "[a](https://example.org/b_(c)) and <https://example.org>",
    ],
)
def test_what_is_complete_is_not_altered(text: str) -> None:
    assert close(text) == text


def test_every_prefix_renders_without_bare_marks() -> None:
    for end in range(1, len(SAMPLE)):
        html = re.sub(r"<(code|pre).*?</\1>", "", RENDER.render(close(SAMPLE[:end])), flags=re.DOTALL)
        assert not re.search(r"\*\*|~~|`|\]\(", html), (SAMPLE[:end][-40:], html[-200:])


def test_every_prefix_shows_the_words_that_came() -> None:
    for end in range(1, len(SAMPLE), 7):
        before, shown = SAMPLE[:end], close(SAMPLE[:end])
        lines = before.splitlines()[:-2]
        assert all(line in shown for line in lines if line.strip() and "```" not in line and "|--" not in line)


@given(texts)
def test_a_preview_keeps_a_firm_beginning_of_the_text(text: str) -> None:
    shown = preview(text, scan_lines(text))
    assert text.startswith(shown.text[: shown.firm])
    assert len(shown.text) <= len(text) + 200


@given(texts, st.integers(0, 100))
def test_a_finished_paragraph_is_never_altered_by_what_follows(text: str, size: int) -> None:
    whole = "Some **bold** and `code`.\n\n"
    assert close(whole + text).startswith(whole.strip())


def test_scanning_is_linear_even_for_hostile_text() -> None:
    for unit in ("**a ", "`", "` ``", "[", "[a](b", "[(", "](((", "_a*", "> ", "- ", "|-|\n", "```\n", "\\", "~~~"):
        close(unit * 5_000)  # quadratic work here would take minutes
