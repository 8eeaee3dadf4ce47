"""The buckets of writes that processes share: one row each, with the slices in it, by the database's clock.

All rows of a trade are locked by one statement, in the order of their keys, so that no two trades wait for each
other, and written by a second one. Rows are for PostgreSQL alone; on SQLite there is nobody to share with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from bot.budgets import Level, Part, Pool
from bot.ports import Need, Slice
from bot.storage.packed import Packed
from bot.storage.schema import buckets

_PARTS = Packed(dict[str, Part])
_KEPT = 3600.0  # seconds; a bucket that was not used for so long is as good as new

# A new row was full long ago. One that is there is written as it is: that locks it, and yields it as it is now.
_LOCK = text(
    "INSERT INTO buckets (key, tokens, updated, rests_until, factor, parts) "
    "SELECT key, burst, 0, 0, 1, '{}' FROM unnest(CAST(:keys AS text[]), CAST(:bursts AS float8[])) AS n(key, burst) "
    "ORDER BY key ON CONFLICT (key) DO UPDATE SET updated = buckets.updated "
    "RETURNING key, tokens, updated, rests_until, factor, parts, "
    "CAST(extract(epoch FROM clock_timestamp()) AS float8) AS now"
).columns(buckets.c.key, buckets.c.tokens, buckets.c.updated, buckets.c.rests_until, buckets.c.factor, buckets.c.parts)
_WRITE = text(
    "UPDATE buckets SET tokens = n.tokens, updated = n.updated, rests_until = n.rests_until, factor = n.factor, "
    "parts = n.parts FROM unnest(CAST(:keys AS text[]), CAST(:tokens AS float8[]), CAST(:updated AS float8[]), "
    "CAST(:rests_until AS float8[]), CAST(:factor AS float8[]), CAST(:parts AS text[])) "
    "AS n(key, tokens, updated, rests_until, factor, parts) WHERE buckets.key = n.key"
)
_SWEEP = text(
    "DELETE FROM buckets WHERE key IN (SELECT key FROM buckets "
    "WHERE updated < extract(epoch FROM clock_timestamp()) - :kept FOR UPDATE SKIP LOCKED)"
)


def share(
    connection: Connection, me: str, needs: Sequence[Need], ahead: float, lease: float, sweeps: bool
) -> Mapping[str, Slice]:
    """See ``Store.share``. ``sweeps``: remove what nobody uses any more as well."""
    if sweeps:
        connection.execute(_SWEEP, {"kept": _KEPT})
    wanted = {need.key: need for need in needs}
    slices: dict[str, Slice] = {}
    keys, pools = [], []
    given = {"keys": list(wanted), "bursts": [float(need.budget.burst) for need in wanted.values()]}
    for key, tokens, updated, rests_until, factor, parts, now in connection.execute(_LOCK, given):
        pool = Pool(Level(tokens, updated, rests_until, factor), parts)
        slices[key] = pool.trade(me, wanted[key], now, ahead, lease)
        keys.append(key)
        pools.append(pool)
    connection.execute(
        _WRITE,
        {
            "keys": keys,
            "tokens": [pool.level.tokens for pool in pools],
            "updated": [pool.level.updated for pool in pools],
            "rests_until": [pool.level.rests_until for pool in pools],
            "factor": [pool.level.factor for pool in pools],
            "parts": [_PARTS.process_bind_param(pool.parts, connection.dialect) for pool in pools],
        },
    )
    return slices
