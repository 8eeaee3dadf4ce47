"""The ledger: what each answer cost, by person, channel and workspace. It holds no words."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from bot.ports import Claim, Spent, Usage
from bot.storage.schema import usage

_INSERT = insert(usage)


def add(
    connection: Connection, claim: Claim, turn_seq: int, model: str, used: Usage, cost: float | None, now: float
) -> None:
    """Enter one completion. ``cost`` in US dollars, ``None`` when the price is unknown."""
    connection.execute(
        _INSERT,
        {
            "conversation_id": claim.conversation,
            "turn_seq": turn_seq,
            "platform": claim.address.platform,
            "workspace": claim.address.workspace,
            "channel": claim.address.channel,
            "person": claim.author.id,
            "model": model,
            "at": now,
            "prompt_tokens": used.prompt_tokens,
            "completion_tokens": used.completion_tokens,
            "cached_tokens": used.cached_tokens,
            "reasoning_tokens": used.reasoning_tokens,
            "queue_time": used.queue_time,
            "total_time": used.total_time,
            "cost": cost,
        },
    )


def spent(connection: Connection, platform: str, workspace: str, since: float, channel: str, person: str) -> Spent:
    """See ``Store.usage``."""
    it = usage.c
    sums = select(func.count(), func.sum(it.prompt_tokens), func.sum(it.completion_tokens), func.sum(it.cost)).where(
        it.platform == platform, it.workspace == workspace, it.at >= since
    )
    if channel:
        sums = sums.where(it.channel == channel)
    if person:
        sums = sums.where(it.person == person)
    answers, prompt, completion, cost = connection.execute(sums).one()
    return Spent(int(answers), int(prompt or 0), int(completion or 0), None if cost is None else float(cost))
