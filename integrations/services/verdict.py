"""Judges a run at the end of a slice: too much set aside, no record or an unusual number of them, warnings."""

from __future__ import annotations

from django.db.models import Sum

from integrations.connectors.base import Connector as Plugin
from integrations.connectors.base import ReadRequest
from integrations.connectors.optional import Rewindable, Swept
from integrations.domain.lifecycle import RunState, Trigger
from integrations.domain.policy import EffectivePolicy
from integrations.domain.tolerance import is_too_much, share_of
from integrations.domain.volume import HISTORY_AT_MOST, VolumeAnswer, VolumeRule, VolumeVerdict, judge_volume
from integrations.domain.words import counted, counted_were
from integrations.errors import SOURCE_REGRESSED, TOO_MANY_REJECTED, VOLUME_UNUSUAL, NeedsPerson
from integrations.models import Run, UncertainBatch
from integrations.models.integration import ReadMode
from integrations.pipeline.ports import SliceEnd
from integrations.services.policy_actions import note_in_run

# Runs that read a whole stream because somebody or something wanted just that.
WHOLE_TRIGGERS = frozenset({Trigger.MANUAL, Trigger.SCHEDULE, Trigger.API, Trigger.RETRY, Trigger.CHAIN})


def refuse_too_many_rejected(run: Run, policy: EffectivePolicy) -> None:
    """Raise NeedsPerson where a larger share of the run's records was set aside than the policy allows."""
    allowed = float(policy.value("tolerance.set_aside_percent"))
    if is_too_much(run.read, run.set_aside, allowed):
        raise NeedsPerson(
            TOO_MANY_REJECTED,
            f"{run.set_aside:,} of {counted(run.read, 'record')} ({share_of(run.read, run.set_aside):.0f} %) "
            f"{'was' if run.set_aside == 1 else 'were'} set aside; "
            f"the policy allows {allowed:g} %.",
        )


def refuse_regressed(run: Run, source: Plugin, request: ReadRequest, policy: EffectivePolicy) -> None:
    """Raise NeedsPerson where an incremental source's newest record is older than the cursor: it was reset or cut."""
    begins = not run.batches and request.cursor is not None and bool(request.cursor_field)
    if begins and isinstance(source, Rewindable) and _judges_regressed(policy) and source.is_behind(request):
        raise _regressed(request.stream)


def refuse_found_behind(end: SliceEnd, source: Plugin, request: ReadRequest, policy: EffectivePolicy) -> None:
    """The same, of a source that tells it once it is read to its end; what it still had is written by then."""
    if end is SliceEnd.FINISHED and isinstance(source, Swept) and source.found_behind and _judges_regressed(policy):
        raise _regressed(request.stream)


def refuse_emptied(run: Run, source: Plugin, policy: EffectivePolicy) -> None:
    """The same, of a source without a record to tell its columns by, where an earlier run had found some."""
    goes_on = run.version.read_mode == ReadMode.INCREMENTAL and run.cursor is not None
    if goes_on and isinstance(source, Swept) and _judges_regressed(policy):
        raise _regressed(run.version.source_stream)


def _judges_regressed(policy: EffectivePolicy) -> bool:
    return policy.choice("volume.regressed") == VolumeAnswer.FAIL


def _regressed(stream: str) -> NeedsPerson:
    message = f"“{stream}” has no record any more at or after the one that was read last."
    return NeedsPerson(SOURCE_REGRESSED, message, rule="volume.regressed")


def warnings_of(run: Run, policy: EffectivePolicy) -> list[str]:
    """What a run that moved all it could has to be warned of. Raises NeedsPerson where the policy calls it failed."""
    warnings = []
    if run.set_aside:
        warnings.append(f"{counted_were(run.set_aside, 'record')} set aside; look at the dead letters.")
    if uncertain := _uncertain_in(run):
        warnings.append(f"{counted(uncertain, 'record')} may have arrived twice, marked as uncertain.")
    verdict = _volume_of(run, policy)
    if verdict and verdict.answer is VolumeAnswer.FAIL:
        raise NeedsPerson(VOLUME_UNUSUAL, verdict.sentence, rule=verdict.rule)
    if verdict and verdict.answer is VolumeAnswer.WARN:
        warnings.append(verdict.sentence)
        note_in_run(run, verdict.rule, f"warned of a run: {verdict.sentence}")
    return warnings


def _uncertain_in(run: Run) -> int:
    """How many records may have arrived twice; what finds them marks the run."""
    if not run.has_warnings:
        return 0
    return UncertainBatch.objects.filter(run=run).aggregate(total=Sum("records"))["total"] or 0


def _volume_of(run: Run, policy: EffectivePolicy) -> VolumeVerdict | None:
    """The verdict over a whole full read; None for a part of one, and for a read that only looks for news."""
    is_whole = run.parent_id is None and run.trigger in WHOLE_TRIGGERS and run.continues_id is None
    if not is_whole or run.version.read_mode != ReadMode.FULL:
        return None
    earlier = Run.objects.filter(
        deployment=run.deployment, version=run.version, state=RunState.SUCCEEDED, parent=None, continues=None,
        trigger__in=WHOLE_TRIGGERS,
    )  # fmt: skip
    rule = VolumeRule(
        VolumeAnswer(policy.choice("volume.zero")),
        VolumeAnswer(policy.choice("volume.unusual")),
        float(policy.value("volume.drop_percent")),
        float(policy.value("volume.rise_percent")),
    )
    return judge_volume(run.read, list(earlier.order_by("-id").values_list("read", flat=True)[:HISTORY_AT_MOST]), rule)
