"""What is known of models and of the servers that run them. The facts stand in ``models.json``; this reads them.

No network: ``Catalogue.learn`` is handed the server's live list, which wins over the file where it says
something. A model that neither names still works, with careful defaults, and nothing is withheld from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bot.llm.wire import ListedModel
from bot.ports import ModelProfile


class KnownModel(msgspec.Struct, frozen=True):
    """One entry of ``models``. ``reasoning``: the field by which the server is told where thinking goes."""

    context_window: int = 8_192
    max_completion: int = 4_096
    vision: bool = False
    max_images: int = 0
    efforts: tuple[str, ...] = ()
    json_object: bool = True
    json_schema: bool = False
    chat: bool = True
    reasoning: str = ""
    price_in: float | None = None
    price_cached: float | None = None
    price_out: float | None = None


class ServerRules(msgspec.Struct, frozen=True):
    """What a kind of server takes. ``fields``: the optional request fields; all others are never sent to it."""

    name: str
    limit_field: str
    fields: frozenset[str]
    usage_option: bool = True
    reasoning_fields: bool = False
    json_object: bool = True
    service_tiers: tuple[str, ...] = ()


class Facts(msgspec.Struct, frozen=True):
    models: dict[str, KnownModel]
    replacements: dict[str, str]
    not_chat: tuple[str, ...]
    vision_names: tuple[str, ...]
    servers: dict[str, ServerRules]


@cache
def load_facts() -> Facts:
    return msgspec.json.decode(Path(__file__).with_name("models.json").read_bytes(), type=Facts)


_HOSTS = {"api.groq.com": "groq", "api.openai.com": "openai", "openrouter.ai": "openrouter"}
_PORTS = {11434: "ollama", 1234: "lmstudio", 8080: "llamacpp", 8000: "vllm"}


def guess_server(kind: str, url: str) -> str:
    """The key in ``servers`` for a backend's kind and base address."""
    if kind == "groq":
        return "groq"
    parts = urlsplit(url)
    return _HOSTS.get(parts.hostname or "") or _PORTS.get(parts.port or 0) or "openai_compatible"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A profile together with what only the request builder needs. ``max_images`` 0: no limit known."""

    profile: ModelProfile
    reasoning: str = ""
    max_images: int = 0


class Catalogue:
    """The models of one server: the file's facts, corrected by what the server lists."""

    def __init__(self, server: str) -> None:
        self._facts = load_facts()
        self.rules = self._facts.servers[server]
        self._file = self._facts.models if server == "groq" else {}
        self._live: dict[str, ModelFacts] = {}

    def learn(self, listed: Sequence[ListedModel]) -> tuple[ModelProfile, ...]:
        """Take over the live list; returns the chat models in the server's order, the known ones first."""
        chat = [entry for entry in listed if entry.active is not False and self._talks(entry)]
        self._live = {entry.id: self._merge(entry) for entry in chat}
        profiles = [facts.profile for facts in self._live.values()]
        return tuple(sorted(profiles, key=lambda profile: not profile.known))

    def names(self) -> tuple[str, ...]:
        """The chat models of the live list, or those of the file before there was one."""
        return tuple(self._live) or tuple(
            name for name, known in self._file.items() if known.chat and name not in self._facts.replacements
        )

    def facts(self, model: str) -> ModelFacts:
        return self._live.get(model) or self._from_file(model)

    def replacement(self, model: str) -> str:
        """The model to suggest in place of a retired one, "" when there is none on this server."""
        wanted = self._facts.replacements.get(model, "")
        if wanted and (not self._live or wanted in self._live):
            return wanted
        tail = model.rpartition("/")[2].lower()
        same = [name for name in self.names() if name != model and name.rpartition("/")[2].lower() == tail]
        return same[0] if same else ""

    def _from_file(self, model: str) -> ModelFacts:
        known = self._file.get(model)
        if known is None:
            profile = ModelProfile(
                model,
                vision=self._sees(model),
                json_object=self.rules.json_object,
                service_tiers=self.rules.service_tiers,
            )
            return ModelFacts(profile)
        profile = ModelProfile(
            model,
            context_window=known.context_window,
            max_completion=known.max_completion,
            vision=known.vision,
            efforts=known.efforts,
            json_object=known.json_object,
            json_schema=known.json_schema,
            known=True,
            service_tiers=self.rules.service_tiers,
            price_in=known.price_in,
            price_cached=known.price_cached,
            price_out=known.price_out,
        )
        return ModelFacts(profile, known.reasoning, known.max_images)

    def _merge(self, entry: ListedModel) -> ModelFacts:
        facts = self._from_file(entry.id)
        profile = facts.profile
        window = entry.context_window or entry.context_length or entry.max_model_len
        window = window or (entry.meta.n_ctx_train if entry.meta else None) or profile.context_window
        longest = entry.max_completion_tokens or (
            entry.top_provider.max_completion_tokens if entry.top_provider else None
        )
        if longest is None:
            longest = profile.max_completion if profile.known else max(profile.max_completion, window // 4)
        inputs = entry.input_modalities or (entry.architecture.input_modalities if entry.architecture else None)
        features = entry.supported_features
        return replace(
            facts,
            profile=replace(
                profile,
                context_window=window,
                max_completion=min(longest, window),
                vision=profile.vision if inputs is None else "image" in inputs,
                json_object=profile.json_object if features is None else "json_mode" in features,
                json_schema=profile.json_schema if features is None else "structured_outputs" in features,
            ),
        )

    def _sees(self, model: str) -> bool:
        name = model.lower()
        return any(part in name for part in self._facts.vision_names)

    def _talks(self, entry: ListedModel) -> bool:
        outputs = entry.output_modalities or (entry.architecture.output_modalities if entry.architecture else None)
        if outputs is not None and "text" not in outputs:
            return False
        if entry.input_modalities is not None and "text" not in entry.input_modalities:
            return False
        name = entry.id.lower()
        return not any(part in name for part in self._facts.not_chat)
