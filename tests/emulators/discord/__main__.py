"""``python -m tests.emulators.discord --port 8932``: run alone and print the variables to use.

Type ``ada: hello <@bot>`` to say something in #general; ``ada> text`` writes in the newest thread. What the app shows
is printed as it changes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.emulators.discord import Discord
from tests.emulators.discord.reading import shows_place
from tests.emulators.discord.room import Impossible

_LOOK_EVERY = 0.2


async def _listen(discord: Discord) -> None:
    """Turn typed lines into messages."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        mark = ": " if ": " in line else "> "
        name, found, text = line.strip().partition(mark)
        if not found:
            continue
        threads = discord.threads(discord.general)
        place = threads[-1] if mark == "> " and threads else discord.general
        try:
            await discord.says(name, place, text.replace("<@bot>", f"<@{discord.bot.id}>"))
        except Impossible as reason:
            print(f"# {reason}", flush=True)


async def _show(discord: Discord) -> None:
    """Print every message of the app whenever it reads differently."""
    shown: dict[str, int] = {}
    while True:
        for channel in list(discord.state.channels.values()):
            for message in discord.replies(channel):
                if len(message.sights) != shown.get(message.id):
                    shown[message.id] = len(message.sights)
                    print(f"[{shows_place(discord.state, channel.id)}] {discord.rendered(message)}", flush=True)
        await asyncio.sleep(_LOOK_EVERY)


async def _run(port: int, rate_limited: bool) -> None:
    async with Discord(port=port, rate_limits=rate_limited) as discord:
        for name, value in discord.environment().items():
            print(f"{name}={value}", flush=True)
        await asyncio.gather(_listen(discord), _show(discord))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.emulators.discord", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--no-rate-limits", action="store_true")
    arguments = parser.parse_args()
    try:
        asyncio.run(_run(arguments.port, not arguments.no_rate_limits))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
