"""Pictures made small enough for a model: what a phone takes is several times as large as what a request may carry.

The same bytes give the same picture in every turn, however many others there are: so the prompt keeps its beginning.
"""

from __future__ import annotations

import threading

from bot.ports import Image
from bot.prompt.apart import decode_apart

_SECONDS = 10
_AT_ONCE = threading.BoundedSemaphore(2)  # a hundred megabytes each


def shrink(image: Image, most: int) -> Image:
    """``image`` in at most ``most`` bytes, or as it is where that cannot be done. Blocks: call it in a thread."""
    if len(image.data) <= most:
        return image
    with _AT_ONCE:
        try:
            smaller = decode_apart("picture", image.data, most, seconds=_SECONDS)
        except TimeoutError:
            return image
    return Image("image/jpeg", smaller) if smaller else image
