"""The closed sets of values that the API speaks of; the OpenAPI document names them (`SPECTACULAR_SETTINGS`)."""

from __future__ import annotations

from enum import StrEnum

from integrations.connectors.base import SettingKind
from integrations.domain.blackout import Inside
from integrations.domain.drift import DriftKind, DriftState
from integrations.domain.guarantee import Guarantee, Verdict, WriteMode
from integrations.domain.lifecycle import BatchState, DeadLetterState, Outcome, RunState, Trigger
from integrations.domain.mapping import ProblemCode
from integrations.domain.misfire import Misfire
from integrations.domain.schedule import ScheduleKind

Choices = list[tuple[str, str]]


def _values(kind: type[StrEnum]) -> Choices:
    return [(each.value, each.value) for each in kind]


BATCH_STATES = _values(BatchState)
DEAD_LETTER_STATES = _values(DeadLetterState)
OUTCOMES = _values(Outcome)
DRIFT_KINDS = _values(DriftKind)
DRIFT_STATES = _values(DriftState)
GUARANTEES = _values(Guarantee)
INSIDE = _values(Inside)
MAPPING_PROBLEMS = _values(ProblemCode)
MISFIRES = _values(Misfire)
RUN_STATES = _values(RunState)
SCHEDULE_KINDS = _values(ScheduleKind)
SETTING_KINDS = _values(SettingKind)
TRIAL_VERDICTS: Choices = [(each, each) for each in ("written", "set aside", "filtered")]
TRIGGERS = _values(Trigger)
VERDICTS = _values(Verdict)
WRITE_MODES = _values(WriteMode)
