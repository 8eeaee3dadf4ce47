"""The numbers count what the other parts tell, under labels from small fixed sets."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.errors import RateLimited
from bot.observe.metrics import Metrics
from bot.ports import Finished, LimitState, Outcome, Usage
from bot.replies import Notice, Receipt


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize(
    ("receipt", "result"),
    [
        (Receipt(accepted=True), "accepted"),
        (Receipt(accepted=False, duplicate=True), "duplicate"),
        (Receipt(accepted=False), "ignored"),
        (Receipt(accepted=False, notice=Notice("no", error=True)), "refused"),
        (Receipt(accepted=False, field_errors=(("model", "no"),)), "refused"),
    ],
)
def test_events_are_counted_by_what_was_done(receipt: Receipt, result: str) -> None:
    metrics = Metrics()
    metrics.received("MessageReceived", receipt)
    assert value(metrics, "parley_events_total", kind="MessageReceived", result=result) == 1


def test_a_completion_counts_its_result_and_its_tokens() -> None:
    metrics = Metrics()
    metrics.completed(Finished("stop", "m", Usage(100, 20, cached_tokens=60, reasoning_tokens=5)), None)
    metrics.completed(None, RateLimited())
    metrics.completed(None, None)
    counted = {kind: value(metrics, "parley_tokens_total", kind=kind) for kind in ("in", "out", "cached", "reasoning")}
    assert counted == {"in": 100, "out": 20, "cached": 60, "reasoning": 5}
    assert [value(metrics, "parley_completions_total", result=word) for word in ("ok", "rate_limit", "stopped")] == [
        1
    ] * 3


def test_a_turn_counts_its_outcome_and_its_times() -> None:
    metrics = Metrics()
    metrics.asked(0.004)
    metrics.asked(None)
    metrics.shown(first_text=0.6, tail=-0.001)
    metrics.settled(Outcome.ANSWERED)
    assert value(metrics, "parley_turns_settled_total", outcome="answered") == 1
    assert value(metrics, "parley_event_to_request_seconds_count") == 1
    assert value(metrics, "parley_first_text_seconds_bucket", le="0.75") == 1
    assert value(metrics, "parley_tail_seconds_sum") == 0


def test_writes_and_slow_downs_are_counted_by_platform() -> None:
    metrics = Metrics()
    metrics.wrote("slack", "preview", "slow_down")
    metrics.slowed("slack")
    assert value(metrics, "parley_writes_total", platform="slack", kind="preview", result="slow_down") == 1
    assert value(metrics, "parley_slow_downs_total", platform="slack") == 1


def test_the_stores_counts_become_gauges() -> None:
    metrics = Metrics()
    metrics.counted({"unsettled": 3, "messages": 40})
    assert value(metrics, "parley_unanswered") == 3
    assert value(metrics, "parley_stored", kind="messages") == 40


class Buckets:
    def state(self, now: float) -> Mapping[str, tuple[float, int, str]]:
        return {
            "slack:T1:chat.update": (4.0, 1, "chat.update"),
            "slack:T2:chat.update": (1.0, 2, "chat.update"),
            "discord:edit:998877": (2.0, 0, "edit"),
            "discord:edit:998878": (0.5, 0, "edit"),
            "discord:global": (50.0, 0, "everything"),
        }


def test_what_is_watched_is_read_when_the_numbers_are_asked_for() -> None:
    metrics = Metrics()
    assert value(metrics, "parley_lanes", state="running") == 0
    metrics.watch(
        pacing=Buckets(),
        limits=lambda: [LimitState("m", "tokens/minute", 8_000, 500, 12.5)],
        lanes=lambda: (2, 9),
    )
    assert value(metrics, "parley_lanes", state="running") == 2
    assert value(metrics, "parley_lanes", state="known") == 9
    assert value(metrics, "parley_write_budget", platform="slack", method="chat.update") == 1
    assert value(metrics, "parley_writes_waiting", platform="slack", method="chat.update") == 3
    assert value(metrics, "parley_provider_limit_remaining", model="m", kind="tokens/minute") == 500
    assert value(metrics, "parley_provider_limit_reset_seconds", model="m", kind="tokens/minute") == 12.5
    assert value(metrics, "parley_write_budget", platform="discord", method="edit") == 0.5
    assert value(metrics, "parley_write_budget", platform="discord", method="everything") == 50
    told = metrics.exposition().decode()
    assert not [place for place in ("T1", "998877", "998878") if place in told]


def test_two_bots_in_one_process_count_apart_in_a_form_prometheus_reads() -> None:
    one, other = Metrics(), Metrics()
    one.settled(Outcome.FAILED)
    assert value(other, "parley_turns_settled_total", outcome="failed") is None
    names = {family.name for family in text_string_to_metric_families(one.exposition().decode())}
    assert {"parley_events", "parley_turns_settled", "python_info", "parley_lanes"} <= names
