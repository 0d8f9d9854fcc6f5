"""Tries changed policies on runs that were, rule by rule; says where what was stored cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from integrations.domain.policy import RULES, ReadFrom
from integrations.domain.simulation.facts import Difference, Finding, Subject
from integrations.domain.simulation.judges import JUDGES, notes_on

WINDOW_DAYS = 30
_UNKNOWN_BY_SECTION = {
    "budget": "how many requests were asked each minute is not stored with a run",
    "breaker": "the calls that failed within a run are not stored one by one",
    "drift": "the columns that a run met are not stored beside those that it used",
    "redrive": "how fast letters were sent again is not stored with a run",
    "partitions": "how long each partition would have taken is not known",
    "concurrency": "which run would have waited for which depends on the order of all the others",
}
_UNKNOWN = {
    "retry.first_delay_seconds": "each wait is a random share of its bound",
    "limit.pages": "the pages of a slice are not stored",
    "limit.answer_megabytes": "the sizes of answers are not stored",
    "timeout.connect_seconds": "how long connecting took is not stored",
    "timeout.read_seconds": "how long each answer took is not stored",
    "retention.events_days": "it deletes lines of the log, and changes no run",
    "volume.regressed": "the cursors that went backwards are not stored",
    "maintenance.inside": "it says how a run waits, and not which one",
    "retention.runs_days": "it deletes what is over, and changes no run",
    "retention.dead_letters_days": "it deletes what is settled, and changes no run",
    "approval.activate": "it changes no run; it makes the next activation wait for a second person",
}


def simulate(subjects: Sequence[Subject], now: datetime) -> list[Finding]:
    """A finding for each rule whose value changes for any of the integrations, in the order of the declaration."""
    findings = []
    for name in RULES:
        changed = [each for each in subjects if name in each.changed]
        if changed:
            findings.append(_finding(name, changed, now))
    return findings


def _differs(name: str, subject: Subject) -> bool:
    return subject.before.rules[name].value != subject.after.rules[name].value


def _finding(name: str, subjects: Sequence[Subject], now: datetime) -> Finding:
    judge = JUDGES.get(name)
    differences = [
        Difference(subject.name, run, words)
        for subject in subjects
        for run, words in (judge(subject, now) if judge else ())
    ]
    differences.sort(key=lambda each: each.run.created_at, reverse=True)
    notes = [note for subject in subjects for note in notes_on(name, subject)]
    unknown = _UNKNOWN.get(name) or _UNKNOWN_BY_SECTION.get(RULES[name].section, "")
    if RULES[name].read_from is ReadFrom.EACH and not any(_differs(name, subject) for subject in subjects):
        unknown = unknown or "it changes for one end, and which end's calls failed is not stored with a run"
    if not judge and not notes and not unknown:
        unknown = "nothing that was stored of the runs tells"
    return Finding(name, tuple(differences), tuple(notes), unknown, tuple(subject.name for subject in subjects))
