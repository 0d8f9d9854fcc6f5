"""Whether a run has read so much less or more than usual that its success would be no news to trust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from integrations.domain.words import counted_were

# Fewer runs make no habit, and older ones have no part in it.
HISTORY_AT_LEAST = 5
HISTORY_AT_MOST = 20


class VolumeAnswer(StrEnum):
    """What becomes of a run with an unusual volume."""

    IGNORE = "ignore"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class VolumeRule:
    """What is unusual, in percent of the median of earlier runs; 0 switches a side off."""

    zero: VolumeAnswer
    unusual: VolumeAnswer
    drop_percent: float
    rise_percent: float


@dataclass(frozen=True)
class VolumeVerdict:
    """What to do about a volume, and why; the sentence is empty where nothing is unusual."""

    answer: VolumeAnswer
    sentence: str = ""
    rule: str = ""


USUAL = VolumeVerdict(VolumeAnswer.IGNORE)


def judge_volume(read: int, earlier: Sequence[int], rule: VolumeRule) -> VolumeVerdict:
    """Judge the records read by those that earlier successful runs of the same version read."""
    if read == 0:
        always = bool(earlier) and min(earlier) > 0
        sentence = "The source gave no records, and always had some before. Check the source."
        return VolumeVerdict(rule.zero, sentence, "volume.zero") if always else USUAL
    if len(earlier) < HISTORY_AT_LEAST:
        return USUAL
    usual = median(earlier)
    if rule.drop_percent and read < usual * (1 - rule.drop_percent / 100):
        return VolumeVerdict(rule.unusual, _sentence(read, usual, "less"), "volume.drop_percent")
    if rule.rise_percent and read > usual * (1 + rule.rise_percent / 100):
        return VolumeVerdict(rule.unusual, _sentence(read, usual, "more"), "volume.rise_percent")
    return USUAL


def _sentence(read: int, usual: float, word: str) -> str:
    return f"{counted_were(read, 'record')} read, far {word} than the usual {usual:,.0f}. Check the source."
