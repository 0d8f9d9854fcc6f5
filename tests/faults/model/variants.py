"""The wrong variants: each drops one rule of one protocol, with the breach that must be found."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.faults.model import remote, transactional
from tests.faults.model.control import Worker, World
from tests.faults.model.explorer import Protocol
from tests.faults.model.remote import Kind, Service
from tests.faults.model.rules import SOUND
from tests.faults.model.transactional import Table

KEY, UPSERT, APPEND = Kind.IDEMPOTENCY_KEY, Kind.UPSERT_VERSIONED, Kind.APPEND_ONLY


@dataclass(frozen=True)
class Variant:
    """A protocol without one rule; `kind` is None for a transactional destination."""

    rule: str
    breach: str
    kind: Kind | None = None

    def __str__(self) -> str:
        return f"{self.kind or 'transactional'}: not {self.rule}"

    def protocol(self) -> Protocol[World[Table], Worker] | Protocol[World[Service], Worker]:
        rules = replace(SOUND, **{self.rule: False})
        if self.kind is None:
            return transactional.protocol(rules, crashes=1, pauses=1, cancels=1)
        return remote.protocol(self.kind, rules, crashes=1, pauses=1, cancels=1, source_changes=1)


VARIANTS = (
    Variant("claim_asks_the_lease", "stolen"),
    Variant("claim_takes_over_what_ran_out", "stuck"),
    Variant("claim_raises_the_fence", "doubled"),
    Variant("fence_belongs_to_the_deployment", "doubled"),
    Variant("heartbeat_is_guarded", "owner"),
    Variant("prepare_is_guarded", "counts"),
    Variant("commit_is_guarded", "counts"),
    Variant("finish_is_guarded", "owner"),
    Variant("hand_back_is_guarded", "owner"),
    Variant("retry_is_guarded", "owner"),
    Variant("cancel_is_guarded", "owner"),
    Variant("letters_are_stored_with_their_batch", "lost"),
    Variant("letters_of_a_forgotten_batch_go_too", "doubled"),
    Variant("prepared_batch_is_replaced", "counts"),
    Variant("ended_runs_batch_is_settled", "doubled"),
    Variant("destination_is_guarded", "doubled"),
    Variant("destination_is_claimed_on_opening", "doubled"),
    Variant("checkpoint_is_in_the_same_transaction", "doubled"),
    Variant("checkpoint_follows_the_write", "lost"),
    Variant("destination_decides_where_to_resume", "doubled"),
    Variant("destination_decides_where_a_new_run_begins", "doubled"),
    Variant("batch_there_is_confirmed_once", "counts"),
    Variant("batch_there_is_confirmed_before_the_end", "counts"),
    Variant("claim_raises_the_fence", "doubled", KEY),
    Variant("claim_takes_over_what_ran_out", "stuck", KEY),
    Variant("prepare_is_guarded", "owner", KEY),
    Variant("commit_is_guarded", "counts", KEY),
    Variant("finish_is_guarded", "owner", KEY),
    Variant("cancel_is_guarded", "owner", KEY),
    Variant("letters_are_stored_with_their_batch", "lost", KEY),
    Variant("ended_runs_batch_is_settled", "doubled", KEY),
    Variant("intent_precedes_the_send", "lost", KEY),
    Variant("intent_holds_the_content", "lost", KEY),
    Variant("intent_is_sent_again_first", "lost", KEY),
    Variant("key_outlives_the_attempt", "doubled", KEY),
    Variant("key_names_the_batch", "lost", KEY),
    Variant("key_outlives_the_run", "doubled", KEY),
    Variant("commit_follows_the_send", "lost", KEY),
    Variant("stamp_is_guarded", "stale", UPSERT),
    Variant("stamp_follows_the_fence", "stale", UPSERT),
    Variant("commit_follows_the_send", "lost", UPSERT),
    Variant("uncertain_is_marked", "doubled", APPEND),
    Variant("intent_precedes_the_send", "doubled", APPEND),
    Variant("ended_runs_batch_is_settled", "doubled", APPEND),
)
