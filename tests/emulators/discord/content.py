"""What a message may carry: text, embeds, components, files and flags, checked in the order Discord does.

Text is measured in code points after its ends are trimmed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.emulators.discord.asking import Ask
from tests.emulators.discord.components import check_components
from tests.emulators.discord.limits import Flag, Limits
from tests.emulators.discord.records import Attachment, Json
from tests.emulators.discord.refusals import Refused, bad_form, bad_length, required, too_long

_FIELDS = {"title": 256, "description": 4_096}
_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".txt": "text/plain; charset=utf-8", ".md": "text/markdown"}


@dataclass(slots=True)
class Content:
    """``None`` where the request did not give the field. ``files`` are new; ``kept`` the ids of old ones that stay."""

    text: str | None
    embeds: list[Json] | None
    components: list[Json] | None
    flags: int | None
    files: list[Attachment]
    kept: list[str] | None

    @property
    def bare(self) -> bool:
        """Nothing to see."""
        return not (self.text or self.embeds or self.components or self.files or self.kept)


def read_content(ask: Ask, form: Json, channel_id: str, *, was_v2: bool = False, prefix: str = "") -> Content:
    """The checked content of a create or edit. Raises ``Refused``."""
    limits = ask.state.limits
    flags = form.get("flags")
    if flags is not None and not isinstance(flags, int):
        raise bad_form(f"{prefix}flags", "NUMBER_TYPE_COERCE", "Value is not int.")
    v2 = was_v2 or bool((flags or 0) & Flag.IS_COMPONENTS_V2)
    text = _text(form, limits, prefix)
    embeds = _embeds(form, limits, prefix)
    if v2 and (text or embeds or form.get("sticker_ids") or form.get("poll")):
        name = "content" if text else "embeds"
        words = "The 'content' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
        raise bad_form(f"{prefix}{name}", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", words)
    components = None
    if "components" in form:
        components = check_components(form["components"], limits, v2=v2)
    files, kept = _files(ask, form, channel_id)
    return Content(text, embeds, components, flags, files, kept)


def _text(form: Json, limits: Limits, prefix: str) -> str | None:
    if "content" not in form:
        return None
    value = form["content"]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise bad_form(f"{prefix}content", "STRING_TYPE_CONVERT", "Could not interpret as string.")
    text = value.replace("\x00", "").strip()
    if len(text) > limits.content:
        raise too_long(f"{prefix}content", limits.content)
    return text


def _embeds(form: Json, limits: Limits, prefix: str) -> list[Json] | None:
    if "embeds" not in form:
        return None
    embeds = form["embeds"] or []
    if not isinstance(embeds, list) or len(embeds) > limits.embeds:
        raise bad_length(f"{prefix}embeds", 0, limits.embeds)
    total = 0
    for index, embed in enumerate(embeds):
        total += _embed_size(embed, f"{prefix}embeds.{index}")
    if total > limits.embed_total:
        raise bad_form(f"{prefix}embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")
    return embeds


def _embed_size(embed: Any, path: str) -> int:
    if not isinstance(embed, dict) or not embed:
        raise required(f"{path}.description")
    size = 0
    for name, limit in _FIELDS.items():
        size += _measured(embed.get(name), f"{path}.{name}", limit)
    size += _measured((embed.get("footer") or {}).get("text"), f"{path}.footer.text", 2_048)
    size += _measured((embed.get("author") or {}).get("name"), f"{path}.author.name", 256)
    fields = embed.get("fields") or []
    if len(fields) > 25:
        raise bad_length(f"{path}.fields", 0, 25)
    for index, item in enumerate(fields):
        for name, limit in (("name", 256), ("value", 1_024)):
            words = str(item.get(name) or "").strip()
            if not words:
                raise required(f"{path}.fields.{index}.{name}")
            size += _measured(words, f"{path}.fields.{index}.{name}", limit)
    return size


def _measured(value: Any, path: str, limit: int) -> int:
    length = len(str(value or "").strip())
    if length > limit:
        raise too_long(path, limit)
    return length


def _files(ask: Ask, form: Json, channel_id: str) -> tuple[list[Attachment], list[str] | None]:
    limits = ask.state.limits
    if len(ask.files) > limits.files:
        raise bad_length("attachments", 0, limits.files)
    if ask.size > limits.request_bytes or any(len(file.data) > limits.file_bytes for file in ask.files):
        raise Refused(40005)
    listed: dict[str, Json] = {str(item.get("id")): item for item in form.get("attachments") or []}
    kept = [key for key in listed if key in ask.state.files] if form.get("attachments") is not None else None
    files = []
    for upload in ask.files:
        about = listed.get(upload.slot, {})
        if len(str(about.get("description") or "")) > 1_024:
            raise too_long(f"attachments.{upload.slot}.description", 1_024)
        name = str(about.get("filename") or upload.name)
        file = Attachment(ask.state.ids.new(), name, upload.data, channel_id, guess_type(name))
        file.description = str(about.get("description") or "")
        file.duration, file.waveform = about.get("duration_secs"), str(about.get("waveform") or "")
        files.append(file)
    return files, kept


def guess_type(name: str) -> str:
    """The media type Discord states for a file name, "" when it states none."""
    return next((kind for end, kind in _TYPES.items() if name.lower().endswith(end)), "")
