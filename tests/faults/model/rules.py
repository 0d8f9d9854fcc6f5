"""The rules of the run protocol, each by its name. The sound protocol keeps all; a wrong variant drops one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """What the protocol promises to itself. The model looks here wherever the code has the check."""

    # Claim, lease and fence
    claim_asks_the_lease: bool = True
    claim_takes_over_what_ran_out: bool = True
    claim_raises_the_fence: bool = True
    fence_belongs_to_the_deployment: bool = True
    heartbeat_is_guarded: bool = True
    prepare_is_guarded: bool = True
    commit_is_guarded: bool = True
    finish_is_guarded: bool = True
    hand_back_is_guarded: bool = True
    retry_is_guarded: bool = True
    cancel_is_guarded: bool = True
    # Both kinds of destination
    letters_are_stored_with_their_batch: bool = True
    prepared_batch_is_replaced: bool = True
    ended_runs_batch_is_settled: bool = True
    # Transactional destination
    destination_is_guarded: bool = True
    destination_is_claimed_on_opening: bool = True
    checkpoint_is_in_the_same_transaction: bool = True
    checkpoint_follows_the_write: bool = True
    destination_decides_where_to_resume: bool = True
    destination_decides_where_a_new_run_begins: bool = True
    batch_there_is_confirmed_once: bool = True
    batch_there_is_confirmed_before_the_end: bool = True
    letters_of_a_forgotten_batch_go_too: bool = True
    # Remote destination
    intent_precedes_the_send: bool = True
    intent_holds_the_content: bool = True
    intent_is_sent_again_first: bool = True
    key_outlives_the_attempt: bool = True
    key_names_the_batch: bool = True
    key_outlives_the_run: bool = True
    commit_follows_the_send: bool = True
    cursor_moves_with_the_commit: bool = True
    uncertain_is_marked: bool = True
    stamp_is_guarded: bool = True
    stamp_follows_the_fence: bool = True


SOUND = Rules()
