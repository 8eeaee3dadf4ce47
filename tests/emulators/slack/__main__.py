"""``python -m tests.emulators.slack --port 8931``: run alone and print the variables to use.

Type ``ada: hello <@bot>`` to say something in #general; what the app shows is printed as it changes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.emulators.slack import Slack
from tests.emulators.slack.room import Impossible

_LOOK_EVERY = 0.2


async def _listen(slack: Slack) -> None:
    """Turn typed lines ``name: text`` into messages in #general; ``name> text`` answers in the newest thread."""
    loop = asyncio.get_running_loop()
    newest = ""
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        name, mark, text = line.strip().partition(": ") if ": " in line else line.strip().partition("> ")
        if not mark:
            continue
        try:
            words = text.replace("<@bot>", f"<@{slack.bot.id}>")
            message = await slack.says(name, slack.general, words, newest if mark == "> " else None)
        except Impossible as reason:
            print(f"# {reason}", flush=True)
            continue
        newest = newest if mark == "> " else message.ts


async def _show(slack: Slack) -> None:
    """Print every message of the app whenever it reads differently."""
    shown: dict[str, int] = {}
    while True:
        for channel in list(slack.state.channels.values()):
            for message in slack.messages(channel):
                if message.app_id == slack.app.id and len(message.sights) != shown.get(message.ts):
                    shown[message.ts] = len(message.sights)
                    print(f"[{channel.name or channel.id} {message.thread_ts}] {slack.rendered(message)}", flush=True)
        await asyncio.sleep(_LOOK_EVERY)


async def _run(port: int, rate_limited: bool) -> None:
    slack = Slack(port=port)
    slack.budgets.on = rate_limited
    async with slack:
        for name, value in slack.environment().items():
            print(f"{name}={value}", flush=True)
        await asyncio.gather(_listen(slack), _show(slack))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.emulators.slack", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--no-rate-limits", action="store_true")
    arguments = parser.parse_args()
    try:
        asyncio.run(_run(arguments.port, not arguments.no_rate_limits))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
