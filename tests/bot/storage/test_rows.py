"""What stands in the tables: marks, the ledger, and no words that were taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select, text

from bot.events import File
from bot.ports import Usage
from bot.storage.claims import mark_of
from bot.storage.history import HISTORY
from bot.storage.lanes import left as what_is_left
from bot.storage.packed import storable
from bot.storage.schema import feedback, usage
from tests.bot.storage.houses import SqlHouse, open_house
from tests.contracts.store import ANN, again, ask_and_answer, asked, begin, place, play, said


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_mark_is_short_plain_and_found_again(event_key: str) -> None:
    mark = mark_of(event_key)
    assert mark == mark_of(event_key)
    assert len(mark) <= 25
    assert mark.isascii()
    assert mark.isalnum()
    assert mark != mark_of(event_key + "x")


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_becomes_storable_and_ordinary_text_is_untouched(words: str) -> None:
    kept = storable(words)
    assert "\x00" not in kept
    assert kept.encode().decode() == kept
    if "\x00" not in words and not any("\ud800" <= character <= "\udfff" for character in words):
        assert kept == words


async def test_the_ledger_has_one_row_for_each_answer_that_reported_its_usage(house: SqlHouse) -> None:
    claim = await begin(house.store, asked("m1"))
    used = Usage(10, 20, 3, 4, 0.1, 0.5)
    await house.store.answered(claim, said(usage=used, model="m", cost=0.25), 5.0)
    await play(house.store, claim, said(usage=used, model="m", cost=0.25))
    await play(house.store, await begin(house.store, again("again1", claim.seq)), said(usage=used, model="n"))
    await play(house.store, await begin(house.store, asked("m2")))

    def read(connection: Connection) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in connection.execute(select(usage).order_by(usage.c.id))]

    rows = await house.db.read(read)
    assert [(row["model"], row["cost"]) for row in rows] == [("m", 0.25), ("n", None)]
    first = rows[0]
    assert (first["platform"], first["workspace"], first["channel"], first["person"]) == ("web", "w1", "c1", ANN.id)
    assert (first["prompt_tokens"], first["completion_tokens"], first["at"]) == (10, 20, 5.0)
    assert (first["cached_tokens"], first["reasoning_tokens"]) == (3, 4)


async def test_a_persons_newest_feedback_counts(house: SqlHouse) -> None:
    (claim,) = await ask_and_answer(house.store, "m1")
    await house.store.feedback(claim.mark, 1, "U1", True, 4.0)
    await house.store.feedback(claim.mark, 1, "U1", False, 5.0)
    await house.store.feedback(claim.mark, 1, "U2", True, 6.0)
    rows = await house.db.read(
        lambda connection: [tuple(row) for row in connection.execute(select(feedback).order_by(feedback.c.person))]
    )
    assert rows == [(claim.mark, 1, "U1", False, 5.0), (claim.mark, 1, "U2", True, 6.0)]


async def test_words_that_were_taken_back_are_nowhere_in_the_file(template: Path, tmp_path: Path) -> None:
    house = await open_house("sqlite", template, tmp_path / "data")
    files = (File("f1", "secretfile.pdf", "application/pdf", 5),)
    claim = await begin(house.store, asked("m1", text="secretquestion " * 300, files=files))
    await house.store.keep_excerpts(claim.conversation, claim.seq, ["secretexcerpt " * 500])
    await play(house.store, claim, said("secretanswer " * 300, notes=("secretnote",)))
    await play(house.store, await begin(house.store, again("again1", claim.seq)), said("secretversion " * 300))
    await house.store.edit_message(place(), "m1", "secretedit " * 300)
    await house.store.delete_message(place(), "m1")
    await house.db.close()
    content = (tmp_path / "data" / "parley.db").read_bytes()
    assert b"secret" not in content
    assert claim.mark.encode() in content


async def test_reading_history_and_finding_what_was_left_need_no_scan(template: Path, tmp_path: Path) -> None:
    house = await open_house("sqlite", template, tmp_path / "data")

    def plan(connection: Connection, statement: Any, values: dict[str, Any]) -> str:
        sql = str(statement.params(values).compile(connection, compile_kwargs={"literal_binds": True}))
        return "\n".join(str(row.detail) for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql}")))

    history = await house.db.read(plan, HISTORY, {"conversation": 1, "before": 9, "most": 50})
    assert "(conversation_id=? AND seq>? AND seq<?)" in history
    left = await house.db.read(plan, what_is_left({"web"}, -1), {"own": "me"})
    assert "turn_unsettled" in left
    assert "SCAN" not in history
    assert "TEMP B-TREE" not in history
    await house.db.close()
