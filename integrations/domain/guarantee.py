"""How records meet a destination, and what the destination can promise about a batch that is sent again."""

from __future__ import annotations

from enum import StrEnum


class Guarantee(StrEnum):
    """What a destination declares of a batch that is sent again."""

    TRANSACTIONAL = "transactional"
    IDEMPOTENCY_KEY = "idempotency_key"
    UPSERT_VERSIONED = "upsert_versioned"
    APPEND_ONLY = "append_only"


class WriteMode(StrEnum):
    """How records meet those that are there: `append` adds rows, `upsert` replaces those with the same key."""

    APPEND = "append"
    UPSERT = "upsert"


class Verdict(StrEnum):
    """What a person found of a batch that may have arrived twice."""

    ONCE = "once"
    TWICE = "twice"
    CLEANED_UP = "cleaned_up"


EXPLANATIONS: dict[Guarantee, str] = {
    Guarantee.TRANSACTIONAL: "Exactly once: records and checkpoint are stored in one transaction of the destination.",
    Guarantee.IDEMPOTENCY_KEY: "Exactly once, as long as the destination keeps the idempotency keys.",
    Guarantee.UPSERT_VERSIONED: "Exactly once by key: a repeated or late batch cannot replace a newer value.",
    Guarantee.APPEND_ONLY: "At least once: a batch whose answer was lost may arrive twice, and is then marked.",
}


def may_double_when_read_again(guarantee: Guarantee) -> bool:
    """Whether records of a batch that was given up are stored again when a later one, with a key of its own, has them.

    A version replaces them. What a transaction holds can be asked for, so that it is never given up in the dark.
    """
    return guarantee in {Guarantee.IDEMPOTENCY_KEY, Guarantee.APPEND_ONLY}


def effective_guarantee(plugin: Guarantee | None, stream: Guarantee | None, mode: WriteMode) -> Guarantee:
    """What an integration really has: as the stream says, else as its plugin does; without either the weakest.

    Versions tell newer from older by key, so appending to a versioned stream promises no more than any append.
    """
    declared = stream or plugin or Guarantee.APPEND_ONLY
    if declared is Guarantee.UPSERT_VERSIONED and mode is not WriteMode.UPSERT:
        return Guarantee.APPEND_ONLY
    return declared
