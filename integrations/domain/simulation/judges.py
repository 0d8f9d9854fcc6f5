"""One judge a rule: which of an integration's runs would have gone otherwise, and how."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil
from typing import cast

from integrations.domain.lifecycle import RunState, Trigger
from integrations.domain.maintenance import blackout_of_items, window_end
from integrations.domain.masking import masked_fields, masks_of
from integrations.domain.policy import EffectivePolicy, Number
from integrations.domain.simulation.facts import RunFacts, Subject
from integrations.domain.slo import ErrorBudget
from integrations.domain.tolerance import is_too_much, share_of
from integrations.domain.volume import HISTORY_AT_MOST, VolumeAnswer, VolumeRule, judge_volume
from integrations.domain.words import counted

Judge = Callable[[Subject, datetime], Iterable[tuple[RunFacts, str]]]
_VOLUME = {
    "volume.zero": "zero",
    "volume.unusual": "unusual",
    "volume.drop_percent": "drop_percent",
    "volume.rise_percent": "rise_percent",
}
_ANSWERS = {VolumeAnswer.IGNORE: "taken", VolumeAnswer.WARN: "warned of", VolumeAnswer.FAIL: "failed"}


def _values(subject: Subject, name: str) -> tuple[Number, Number]:
    return subject.before.value(name), subject.after.value(name)


def _attempts(subject: Subject, _: datetime) -> Iterable[tuple[RunFacts, str]]:
    before, after = _values(subject, "retry.attempts")
    for run in subject.runs:
        if after < before and run.tries > after:
            yield run, f"would have failed after {counted(int(after), 'attempt')}; it made {run.tries} and {run.state}"
        elif after > before and run.state == RunState.FAILED and run.tries >= before:
            more = counted(int(after - before), "time")
            yield run, f"would have been tried up to {more} more; whether that helps is not known"


def _longest_wait(name: str) -> Judge:
    def judge(subject: Subject, _: datetime) -> Iterable[tuple[RunFacts, str]]:
        after = _values(subject, name)[1]
        for run in subject.runs:
            longest = max(run.waits, default=0.0)
            if longest > after:
                yield run, f"would have waited {after:g} s at most before an attempt; it waited {longest:.0f} s"

    return judge


def _run_timeout(subject: Subject, _: datetime) -> Iterable[tuple[RunFacts, str]]:
    before, after = _values(subject, "timeout.run_seconds")
    for run in subject.runs:
        took = run.seconds
        if took is None:
            continue
        if took > after and took <= before:
            yield run, f"would have been stopped after {after} s; it took {took:.0f} s and {run.state}"
        elif took > before and after > before and run.error_code == "timed_out":
            yield run, f"would have had {after - before} s more; it was stopped after {took:.0f} s"


def _tolerance(subject: Subject, _: datetime) -> Iterable[tuple[RunFacts, str]]:
    before, after = (float(value) for value in _values(subject, "tolerance.set_aside_percent"))
    for run in subject.runs:
        was, would = (is_too_much(run.read, run.set_aside, allowed) for allowed in (before, after))
        share = share_of(run.read, run.set_aside)
        if would and not was and run.state == RunState.SUCCEEDED:
            yield run, f"would have failed: {share:.1f} % of its records were set aside"
        elif was and not would and run.error_code == "too_many_rejected":
            yield run, f"would not have failed for the {share:.1f} % that were set aside"


def _batches(subject: Subject, _: datetime) -> Iterable[tuple[RunFacts, str]]:
    before, after = _values(subject, "limit.batch_records")
    for run in subject.runs:
        least, would = ceil(run.read / before), ceil(run.read / after)
        if run.read and would > least:
            enough = f"{least:,} {'was' if least == 1 else 'were'} enough for {counted(run.read, 'record')}"
            yield run, f"would have needed {would:,} batches at least; {enough}"


def _limit_reached(name: str, code: str) -> Judge:
    def judge(subject: Subject, _: datetime) -> Iterable[tuple[RunFacts, str]]:
        before, after = _values(subject, name)
        for run in subject.runs:
            if after > before and run.error_code == code:
                yield run, "failed at the old limit; how far it would have come is not known"

    return judge


def _freshness(subject: Subject, now: datetime) -> Iterable[tuple[RunFacts, str]]:
    after = int(subject.after.value("freshness.longest_minutes"))
    if not after:
        return
    good = [run for run in subject.runs if run.state == RunState.SUCCEEDED and run.finished_at]
    ends = [cast(datetime, run.finished_at) for run in good]
    for run, begins, ends_at in zip(good, ends, [*ends[1:], now], strict=False):
        stale = ends_at - begins - timedelta(minutes=after)
        if stale > timedelta():
            yield run, f"would have been followed by {_length(stale)} of staleness, until the next success"


def _maintenance(subject: Subject, _: datetime) -> Iterable[tuple[RunFacts, str]]:
    was, would = (blackout_of_items(policy.items("maintenance.windows")) for policy in (subject.before, subject.after))
    waits = subject.after.choice("maintenance.inside") == "wait"
    for run in subject.runs:
        moment = run.due_at or run.created_at
        end = window_end(would, moment) if run.trigger == Trigger.SCHEDULE else None
        if end and not window_end(was, moment):
            until = f"would have waited until {end:%Y-%m-%d %H:%M} UTC" if waits else "would have been left out"
            yield run, f"{until}: it was due in a maintenance window"


def _masking(subject: Subject, _: datetime) -> Iterable[tuple[RunFacts, str]]:
    was, would = (_masked(subject, policy) for policy in (subject.before, subject.after))
    changed = sorted(name for name in {*was, *would} if was.get(name) != would.get(name))
    if changed:
        how = ", ".join(f"{name} ({would.get(name, 'not masked')})" for name in changed)
        for run in subject.runs:
            if run.written:
                yield run, f"would have sent its {counted(run.written, 'record')} with {how}"


def _masked(subject: Subject, policy: EffectivePolicy) -> dict[str, str]:
    fields = masked_fields(subject.mapping, masks_of(policy.items("masking.fields")))
    return {each.rule.target: each.how.value for each in fields}


def notes_on(name: str, subject: Subject) -> Iterable[str]:
    """What a rule's change means for the integration as a whole, where it is about no one run."""
    if name == "slo.success_percent" and (target := float(subject.after.value(name))):
        states = [run.state for run in subject.runs]
        budget = ErrorBudget(target, states.count(RunState.SUCCEEDED), states.count(RunState.FAILED))
        if budget.judged:
            verdict = f"{budget.left_percent:.0f} % of the error budget would be left" if budget.is_met else "missed"
            share = f"{budget.success_percent:.1f} % of {counted(budget.judged, 'run')} succeeded"
            yield f"{subject.name}: {share}; {verdict}"
        else:
            yield f"{subject.name}: no run ended"


def _volume(name: str) -> Judge:
    def judge(subject: Subject, _: datetime) -> Iterable[tuple[RunFacts, str]]:
        was = _volume_rule(subject.before)
        would = replace(was, **{_VOLUME[name]: getattr(_volume_rule(subject.after), _VOLUME[name])})
        earlier: dict[int, deque[int]] = {}
        for run in subject.runs:
            if not run.is_whole:
                continue
            seen = earlier.setdefault(run.version, deque(maxlen=HISTORY_AT_MOST))
            answers = [judge_volume(run.read, list(seen), rule).answer for rule in (was, would)]
            if run.finished_at and answers[0] is not answers[1]:
                yield run, f"would have been {_ANSWERS[answers[1]]}; with what held it was {_ANSWERS[answers[0]]}"
            if run.state == RunState.SUCCEEDED:
                seen.append(run.read)

    return judge


def _volume_rule(policy: EffectivePolicy) -> VolumeRule:
    return VolumeRule(
        VolumeAnswer(policy.choice("volume.zero")),
        VolumeAnswer(policy.choice("volume.unusual")),
        float(policy.value("volume.drop_percent")),
        float(policy.value("volume.rise_percent")),
    )


def _length(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


JUDGES: dict[str, Judge] = {
    "retry.attempts": _attempts,
    "retry.longest_delay_seconds": _longest_wait("retry.longest_delay_seconds"),
    "retry.longest_retry_after_seconds": _longest_wait("retry.longest_retry_after_seconds"),
    "timeout.run_seconds": _run_timeout,
    "tolerance.set_aside_percent": _tolerance,
    "limit.batch_records": _batches,
    "limit.pages": _limit_reached("limit.pages", "page_limit"),
    "limit.answer_megabytes": _limit_reached("limit.answer_megabytes", "answer_too_large"),
    "freshness.longest_minutes": _freshness,
    "maintenance.windows": _maintenance,
    "masking.fields": _masking,
    **{name: _volume(name) for name in _VOLUME},
}
