"""``parley doctor``: looks at everything a deployment depends on and says the exact fix for what is wrong.

``CHECKS`` is the list of everything looked at; each check takes the configuration and answers lines. A check that
breaks is itself a red line, so one broken thing never hides the others. Nothing printed holds a secret.
"""

from __future__ import annotations

import asyncio
import inspect
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from types import ModuleType

from bot.backends import choose
from bot.commands.registry import command_helps
from bot.config import Config
from bot.errors import CompletionFailed, ConfigurationError, InUse, KeyRefused, ModelGone, ParleyError, StoreDamaged
from bot.ports import ChatMessage, Check, CompletionRequest, Completions, TextDelta
from bot.storage import SqlShelf, open_store
from bot.variables import wrong_adapter_variables

Examination = Callable[[Config], Awaitable[Sequence[Check]]]

_ROOM_NEEDED = 200 * 1024 * 1024  # bytes; a database that cannot grow answers nobody
_PATIENCE = 30.0  # seconds for one check


async def examine(config: Config) -> Sequence[Check]:
    """Every check's lines, in the order of ``CHECKS``."""
    lines: list[Check] = []
    for look in CHECKS:
        lines += await _looked(look, config)
    return lines


async def _looked(look: Examination, config: Config) -> Sequence[Check]:
    name = look.__name__.replace("_", " ")
    try:
        async with asyncio.timeout(_PATIENCE):
            return await look(config)
    except TimeoutError:
        return [Check(name, False, f"no end after {_PATIENCE:.0f} s", "See whether what it depends on is reachable.")]
    except ConfigurationError as error:
        return [Check(name, False, f"{error.variable}: {error.problem}", error.fix)]
    except StoreDamaged as error:
        return [Check(name, False, error.problem, error.fix)]
    except ParleyError as error:
        return [Check(name, False, error.user_text, "Look at the log, then try again.")]
    except Exception as error:  # a check that breaks must not hide the other checks' lines
        return [
            Check(name, False, f"could not be looked at ({type(error).__name__})", "Look at the other lines first.")
        ]


async def configuration(config: Config) -> Sequence[Check]:
    """The core's variables were read already; these are the adapters'."""
    wrong = wrong_adapter_variables()
    if wrong:
        return [Check("configuration", False, f"{error.variable}: {error.problem}", error.fix) for error in wrong]
    return [Check("configuration", True, "every variable can be used")]


async def database(config: Config) -> Sequence[Check]:
    """Opens it (which brings its tables up to date), looks through it, writes and reads; not the file of a bot that
    runs."""
    config.data_dir.mkdir(parents=True, exist_ok=True)
    kind = config.database_url.partition("://")[0].partition("+")[0]
    began = time.perf_counter()
    try:
        store, _ = await open_store(config.database_url, config.data_dir)
    except InUse as used:
        return [Check("database", True, f"{kind}; {used.problem}, which is well if that is your bot: see its /readyz")]
    try:
        await store.look_through()
        await store.check()
        counts = await store.counts()
    finally:
        await store.close()
    spent = time.perf_counter() - began
    held = ", ".join(f"{number} {name}" for name, number in counts.items())
    return [Check("database", True, f"{kind}, tables up to date, written and read in {spent * 1000:.0f} ms ({held})")]


async def disk_space(config: Config) -> Sequence[Check]:
    folder = config.data_dir.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / 1024**3:.1f} GiB free for DATA_DIR"
    if free < _ROOM_NEEDED:
        return [Check("disk space", False, found, "Make room, or set DATA_DIR to a folder on a larger disk.")]
    return [Check("disk space", True, found)]


async def provider(config: Config) -> Sequence[Check]:
    """Who answers, whether the key and the model are good, and how fast one tiny answer comes."""
    completions = await choose(config.model_copy(update={"llm_fallback_models": ()}))  # each model speaks for itself
    try:
        return await _asked(completions, config)
    finally:
        await completions.close()


async def _asked(completions: Completions, config: Config) -> Sequence[Check]:
    backend = completions.backend()
    if backend.kind == "guide":
        found = "no key is set, so the built-in guide answers; set GROQ_API_KEY for a language model"
        return [Check("provider", True, found)]
    try:
        listed = [profile.id for profile in await completions.models()]
    except KeyRefused:
        variable = "LLM_API_KEY" if config.llm_api_key.get_secret_value() else "GROQ_API_KEY"
        return [Check("provider key", False, f"{backend.name} refuses it", f"Set {variable} to a valid key.")]
    except CompletionFailed as error:
        return [Check("provider", False, error.user_text, "Check LLM_BASE_URL and the network, then try again.")]
    model = backend.model or config.llm_model
    found = f"{backend.name} lists {len(listed)} chat models" if listed else f"{backend.name} has no list of its models"
    fallbacks = [name for name in config.llm_fallback_models if name != model]
    return [
        Check("provider", True, found),
        await _model(completions, model, listed),
        *[await _model(completions, name, listed, "fallback model", "LLM_FALLBACK_MODELS") for name in fallbacks],
    ]


async def _model(
    completions: Completions, model: str, listed: list[str], name: str = "model", variable: str = "LLM_MODEL"
) -> Check:
    ok, found, fix = await _tiny_answer(completions, model)
    if listed and model not in listed:  # lists are not always whole: what counts is whether it answers
        found = f"{found} (it is not listed)" if ok else f"{model} is not listed, and does not answer"
        fix = f"Set {{}} to one of: {', '.join(listed[:5])}."
    return Check(name, ok, found, "" if ok else fix.replace("{}", variable))


async def _tiny_answer(completions: Completions, model: str) -> tuple[bool, str, str]:
    """Whether it answers, what was found, and the fix where ``{}`` is the variable."""
    request = CompletionRequest(
        model=model,
        messages=(ChatMessage("user", "Answer with the one word: yes"),),
        max_completion_tokens=256,
        prompt_tokens=16,
    )
    began = time.perf_counter()
    first = None
    try:
        async for batch in completions.stream(request):
            if first is None and any(isinstance(piece, TextDelta) for piece in batch):
                first = time.perf_counter() - began
    except ModelGone:
        return False, f"{model} is not available", "Set {} to another model."
    except CompletionFailed as error:
        return False, f"{model}: {error.user_text}", "Wait a moment and try again, or set {}."
    if first is None:
        return False, f"{model} answered without text", "Set {} to a chat model."
    whole = time.perf_counter() - began
    return True, f"{model} answers: first text after {first * 1000:.0f} ms, all after {whole * 1000:.0f} ms", ""


async def adapters(config: Config) -> Sequence[Check]:
    """Each configured adapter's own lines."""
    from bot.wiring import adapter_modules  # the whole bot is loaded only when this line is reached

    lines: list[Check] = []
    for name, module in adapter_modules():
        wants = inspect.signature(module.check).parameters
        if not module.configured(config):
            lines.append(Check(name, True, "not configured"))
        elif "shelf" in wants:
            lines += await _checked_with_shelf(name, module, config)
        else:
            found = module.check(config, **({"commands": command_helps()} if "commands" in wants else {}))
            lines += await found if inspect.isawaitable(found) else found
    return lines


async def _checked_with_shelf(name: str, module: ModuleType, config: Config) -> Sequence[Check]:
    """An adapter that keeps rows of its own may look at them, unless a bot that runs has the file."""
    lines: Sequence[Check]
    try:
        store, db = await open_store(config.database_url, config.data_dir)
    except InUse:
        lines = await module.check(config, shelf=None)
        return lines
    try:
        lines = await module.check(config, shelf=SqlShelf(db, name))
        return lines
    finally:
        await store.close()


async def round_trip(config: Config) -> Sequence[Check]:
    """A question through the whole bot and back, on a database of its own."""
    from bot.wiring import probe  # as above

    return await probe(config)


CHECKS: list[Examination] = [configuration, disk_space, database, provider, adapters, round_trip]


def told(lines: Sequence[Check], colours: bool) -> str:
    """The report as people read it: one line each, the fix under each red one."""
    green, red, plain = ("\x1b[32m", "\x1b[31m", "\x1b[0m") if colours else ("", "", "")
    rows = []
    for line in lines:
        mark = f"{green}ok {plain}" if line.ok else f"{red}BAD{plain}"
        rows.append(f"{mark} {line.name}: {line.found}")
        if not line.ok:
            rows.append(f"    fix: {line.fix}")
    bad = sum(not line.ok for line in lines)
    rows.append("Everything is well." if not bad else f"{bad} to fix.")
    return "\n".join(rows)
