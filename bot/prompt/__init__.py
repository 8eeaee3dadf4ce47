"""From history to prompt: writing it the same way every turn, keeping it within its room, reading files for it.

In order: ``read_files`` for messages with files, ``write_lines`` for history and question, ``limit_images``,
``measure_room`` and ``trim``, then ``compose``. ``prepare`` does the last four.
"""

from bot.prompt.build import Attached, Line, compose, limit_images, write_lines
from bot.prompt.estimate import estimate_tokens
from bot.prompt.files import LARGEST, read_files
from bot.prompt.prepare import Prompt, prepare
from bot.prompt.trim import HISTORY_LIMIT, Room, Trimmed, measure_room, trim

__all__ = [
    "HISTORY_LIMIT",
    "LARGEST",
    "Attached",
    "Line",
    "Prompt",
    "Room",
    "Trimmed",
    "compose",
    "estimate_tokens",
    "limit_images",
    "measure_room",
    "prepare",
    "read_files",
    "trim",
    "write_lines",
]
