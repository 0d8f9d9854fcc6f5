"""How a connection to the control database on PostgreSQL is bounded."""

from typing import Any

_PROBE_SECONDS = 2


def postgres_options(
    *, lock_seconds: float, statement_seconds: float, idle_seconds: float, unreachable_seconds: float
) -> dict[str, Any]:  # libpq's parameters are of every type
    """Connection parameters: the server ends what takes too long, the client gives up a server that has gone silent.

    `unreachable_seconds` bounds the wait for a connection, for unacknowledged data and for the probes of an idle one;
    it should be less than a lease, so that a worker that is cut off notices before its run is another's.
    """
    timeouts = {
        "lock_timeout": lock_seconds,
        "statement_timeout": statement_seconds,
        "idle_in_transaction_session_timeout": idle_seconds,
    }
    return {
        "options": " ".join(f"-c {name}={round(seconds * 1000)}" for name, seconds in timeouts.items()),
        "connect_timeout": max(2, round(unreachable_seconds)),  # libpq takes less than two seconds for two
        "tcp_user_timeout": round(unreachable_seconds * 1000),
        "keepalives_idle": _PROBE_SECONDS,
        "keepalives_interval": _PROBE_SECONDS,
        "keepalives_count": max(1, round(unreachable_seconds / _PROBE_SECONDS) - 1),
    }
