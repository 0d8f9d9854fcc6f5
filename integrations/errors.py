"""The error tree of runs and connectors, named by what the caller should do.

SignalboxError (accounts.errors)
├── NeedsPerson     a person must act (settings, credential, schema): the run fails, nothing is retried
├── RetryLater      the other side is busy or away: wait, then the same call may work
│   └── NotYet      nothing was tried: a shared budget is spent, or a circuit breaker is open
├── StopRun         this worker must stop now: lease lost, cancelled, or the source makes no progress
└── RecordsRefused  the destination refused records for their content: halve, and set the bad ones aside

A connector raises these and nothing else for what the outside does; any other exception is a defect and fails the run.
"""

from __future__ import annotations

from accounts.errors import SignalboxError, declare


class NeedsPerson(SignalboxError):
    """A person must act; a retry would fail the same way."""

    status = 422


class RetryLater(SignalboxError):
    """The other side is busy or away. `retry_after_seconds` is what it asked for, if it said.

    `may_have_arrived` is False where the other side has surely not acted: it was not reached, or it said so.
    """

    status = 503

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        may_have_arrived: bool = True,
        what_to_do: str = "",
        **detail: object,
    ) -> None:
        super().__init__(code, message, what_to_do=what_to_do, **detail)
        self.retry_after_seconds = retry_after_seconds
        self.may_have_arrived = may_have_arrived


class NotYet(RetryLater):
    """Our own limits keep a call back: nothing was tried, so no attempt is used up. `retry_after_seconds` is set."""


class StopRun(SignalboxError):
    """This worker must stop this run now, without another write."""

    status = 409


class RecordsRefused(SignalboxError):
    """The destination refused the batch for the content of one or more records; nothing of the batch was stored."""

    status = 422


SETTINGS_INVALID = declare(
    "settings_invalid", "A connector's settings cannot be used.", "Open the connector and correct the named setting."
)
CREDENTIAL_REFUSED = declare(
    "credential_refused",
    "The other system refused the credential.",
    "Store a valid credential for this connector, then test it.",
)
CREDENTIAL_MISSING = declare(
    "credential_missing",
    "The connector needs a credential and has none.",
    "Choose or create a credential for this connector.",
)
ADDRESS_BLOCKED = declare(
    "address_blocked",
    "The address is private, loopback or otherwise not open to this instance.",
    "Use a public address, or let the instance admin add the exact host and port to SIGNALBOX_EGRESS_ALLOW.",
)
ADDRESS_INVALID = declare("address_invalid", "The address cannot be used.", "Correct the address of the connector.")
HOST_NOT_FOUND = declare(
    "host_not_found", "The host name cannot be resolved.", "Check the host name, and the DNS of the worker's machine."
)
UNREACHABLE = declare(
    "unreachable",
    "The other system cannot be reached.",
    "Check that it is up and reachable from the worker, then test the connector.",
)
TLS_FAILED = declare(
    "tls_failed",
    "The other system's certificate is not trusted, or no secure connection could be agreed on.",
    "Correct the certificate or the host name; a private authority must be trusted by the worker's machine.",
)
TIMED_OUT = declare(
    "timed_out", "The other system did not answer in time.", "Check its load, or raise the timeout in the policy."
)
RATE_LIMITED = declare(
    "rate_limited", "The other system asks to slow down.", "Nothing to do: the run goes on when it is allowed to."
)
BREAKER_OPEN = declare(
    "breaker_open",
    "The circuit breaker of this host is open: too many calls failed, or somebody opened it by hand.",
    "Nothing to do: the run waits, and one call at a time probes the host. What a hand opened, a hand must close.",
)
BUDGET_SPENT = declare(
    "budget_spent",
    "The requests that the policies allow for this credential or host are used up for now.",
    "Nothing to do: the run goes on when there is room again. Raise “Requests a minute” in the tightest policy.",
)
SLOTS_TAKEN = declare(
    "slots_taken",
    "As many runs as the policies allow work with this credential or host already.",
    "Nothing to do: the run stands in line. Raise “At once” in the tightest policy.",
)
SLOTS_TOO_FEW = declare(
    "slots_too_few",
    "The run needs more sessions at once than the policies allow for this credential or host.",
    "Raise “At once” of the budget in the tightest policy: one session reads, another writes.",
)
SERVER_FAILED = declare(
    "server_failed",
    "The other system answered with a server error.",
    "Check the other system; the run is retried as the policy says.",
)
REQUEST_REFUSED = declare(
    "request_refused",
    "The other system refused the request.",
    "Check the path, the parameters and the permissions of the credential.",
)
REDIRECT_REFUSED = declare(
    "redirect_refused",
    "The other system redirected the request elsewhere.",
    "Enter the final address in the connector; redirects are not followed.",
)
ANSWER_UNDECODABLE = declare(
    "answer_undecodable",
    "The answer is not what the connector declares (for example a web page in place of JSON).",
    "Check the address and the credential; open the sample on the run's page.",
)
ANSWER_TOO_LARGE = declare(
    "answer_too_large",
    "An answer is larger than the limit.",
    "Ask for smaller pages, or raise the byte limit in the policy.",
)
RECORDS_NOT_FOUND = declare(
    "records_not_found", "The declared record path is not in the answer.", "Correct the record path of the stream."
)
PAGINATION_NO_PROGRESS = declare(
    "pagination_no_progress",
    "The source repeats the same page or cursor.",
    "Check the paging settings of the stream; nothing was lost.",
)
PAGE_LIMIT = declare(
    "page_limit", "The run reached its limit of pages.", "Raise the page limit in the policy, or narrow the stream."
)
STREAM_MISSING = declare(
    "stream_missing",
    "The stream does not exist in the source.",
    "Choose another stream, or bring the table, file or path back.",
)
SOURCE_CHANGED = declare(
    "source_changed",
    "The columns of the source are not those that the run began with.",
    "Discover the stream again, check the mapping, then start a new run.",
)
SCHEMA_DRIFTED = declare(
    "schema_drifted",
    "The columns of the source have changed in a way that the policy stops a run for.",
    "Look at the change on the integration's page, correct the mapping if it must be, and mark the change as seen.",
)
SOURCE_REGRESSED = declare(
    "source_regressed",
    "The newest record of the source is older than one that was read before.",
    "Find out whether the source was reset or cut. Then reset the checkpoint, or bring the records back.",
)
VOLUME_UNUSUAL = declare(
    "volume_unusual",
    "The source gave far fewer or far more records than it always does.",
    "Check the source. If it is right, allow it under “Volume” in the policy, then start the run again.",
)
FILE_OUTSIDE_ROOT = declare(
    "file_outside_root",
    "The path leaves the folder that this instance allows.",
    "Use a path below the folder that the instance allows.",
)
FILE_UNREADABLE = declare(
    "file_unreadable",
    "The file cannot be read as the declared format.",
    "Check the file and the format settings of the connector.",
)
TABLE_INCOMPATIBLE = declare(
    "table_incompatible",
    "The destination table does not fit the records.",
    "Change the mapping, or alter the table to fit.",
)
KEY_MISSING = declare(
    "key_missing",
    "Upsert needs key columns that the destination can match on.",
    "Choose the key columns, and give the table a unique index on them.",
)
PERMISSION_MISSING = declare(
    "permission_missing",
    "The credential may not do this in the other system.",
    "Grant the named right in the other system, or use another credential.",
)
RECORD_REFUSED = declare(
    "record_refused",
    "The destination refused a record.",
    "Inspect the dead letter, correct the mapping or the record, then redrive it.",
)
RECORD_FAILED = declare(
    "record_failed",
    "The destination failed at a record that was sent to it, and may have stored it.",
    "Look whether the destination has the record. Where not, redrive the dead letter; where so, discard it.",
)
RECORD_PUT_OFF = declare(
    "record_put_off",
    "The destination was too busy for a record, as often as it was sent; it has not stored it.",
    "Redrive the dead letter when the destination has recovered.",
)
RESULTS_UNTRUSTED = declare(
    "results_untrusted",
    "The destination's results do not fit the records that were sent.",
    "Correct the result settings of the stream, or the destination; the batch is stored and is sent again as it was.",
)
BATCH_TOO_LARGE = declare(
    "batch_too_large",
    "A batch is too large to be stored before it is sent.",
    "Make batches smaller in the policy, then continue the run from its checkpoint.",
)
DESTINATION_FULL = declare(
    "destination_full",
    "The destination has no space left.",
    "Free space in the destination; the run goes on from its checkpoint.",
)
CURSOR_INVALID = declare(
    "cursor_invalid",
    "The stored cursor does not fit the source any more.",
    "Reset the checkpoint to read the stream from its start.",
)
RANGE_UNSUPPORTED = declare(
    "range_unsupported",
    "The source cannot be asked for a past range of this stream.",
    "Backfill by a field that the source can be asked by, or reset the checkpoint to read the stream from its start.",
)
RANGE_INVALID = declare(
    "range_invalid",
    "The range cannot be read.",
    "Give the beginning and the end in the field's own form, such as 2026-01-31 or 2026-01-31T08:00Z.",
)
LEASE_LOST = declare(
    "lease_lost",
    "Another worker has taken this run over.",
    "Nothing to do: the other worker goes on from the checkpoint.",
)
RUN_PAUSED = declare("run_paused", "The run is paused.", "Resume it when it may go on; its checkpoint is kept.")
RUN_CANCELLED = declare("run_cancelled", "The run was cancelled.", "Start a new run when you want it to go on.")
MAPPING_INVALID = declare(
    "mapping_invalid", "The mapping cannot be used.", "Open the mapping and correct the marked expression."
)
TOO_MANY_REJECTED = declare(
    "too_many_rejected",
    "More records were set aside than the policy allows.",
    "Look at the dead letters, correct the mapping, then redrive them.",
)
DESTINATION_REGRESSED = declare(
    "destination_regressed",
    "The destination remembers less than was committed to it, as after a restore from a backup.",
    "Start a new run, which reads the stream again, or restore the destination to its latest state.",
)
WORKER_DIED = declare(
    "worker_died",
    "The worker died several times at the same place without getting further.",
    "Look at the worker's log and memory, make batches smaller in the policy, then continue the run.",
)
WORKER_CRASH = declare(
    "worker_crash",
    "This record ended the worker's process each time that it was tried, so it was set aside unseen.",
    "Look at the record and at the worker's log; correct the record or the mapping, then redrive it.",
)
SOURCE_EMPTY = declare(
    "source_empty",
    "The source gave no records where it always had some.",
    "Check the source and the stream's settings.",
)
INTERNAL_ERROR = declare(
    "internal_error",
    "A defect in Signalbox or in a connector stopped this.",
    "Report it with the trace id; nothing was lost, the checkpoint stands.",
)
SCHEMA_CHANGED = declare(
    "schema_changed",
    "The columns of the source changed while it was read.",
    "Start the run again; it goes on from its checkpoint with the new columns.",
)
REQUIRED_MISSING = declare(
    "required_missing",
    "A required field has no value in this record.",
    "Correct the record or the mapping, then redrive the dead letter.",
)
CONVERSION_FAILED = declare(
    "conversion_failed",
    "A value could not be made into the type of its field.",
    "Correct the record or the expression, then redrive the dead letter.",
)
FILTER_FAILED = declare(
    "filter_failed",
    "The filter of the mapping could not be evaluated for this record.",
    "Correct the record or the filter, then redrive the dead letter.",
)
VALUE_TOO_LARGE = declare(
    "value_too_large",
    "The record is too large for what the mapping makes of it.",
    "Simplify the expressions over its largest field, then redrive it.",
)
MASK_UNFIT = declare(
    "mask_unfit",
    "A field of the destination cannot hold what the policy's masking makes of it.",
    "Make the field text, do not require it, or choose another way of masking in the policy.",
)
POLICY_UNUSABLE = declare(
    "policy_unusable",
    "A stored policy holds a value that this release cannot use.",
    "Open the policy, correct the named rule and save it; then start the run again.",
)
POLICY_CHANGED = declare(
    "policy_changed",
    "Somebody else has changed the policy since it was read.",
    "Look at what they changed; save again, from the policy as it is now, what shall hold.",
)
APPROVAL_NEEDED = declare(
    "approval_needed",
    "The policy asks for a second person before this happens.",
    "Ask for the approval; another member who may change integrations decides.",
)
