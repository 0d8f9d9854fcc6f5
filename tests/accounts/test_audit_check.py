"""What only somebody with the key, or without the table's constraints, can do to a chain."""

from __future__ import annotations

from accounts.domain.audit_chain import NOTHING, signature
from accounts.domain.audit_check import ChainCheck, Head
from tests.accounts.test_audit_chain import COLUMNS

KEYS = {COLUMNS.key_id: b"k"}


def test_an_entry_that_is_signed_after_another_one_than_the_one_before_it_is_found() -> None:
    check = ChainCheck("scope", KEYS)
    assert check.take(COLUMNS, NOTHING, signature(b"k", COLUMNS, NOTHING)) is None
    second = COLUMNS._replace(seq=2)
    found = check.take(second, "other", signature(b"k", second, "other"))
    assert found is not None
    assert (found.kind, found.seq) == ("unlinked", 2)


def test_more_rows_than_there_are_in_the_chain_are_found() -> None:
    check = ChainCheck("scope", KEYS)
    mac = signature(b"k", COLUMNS, NOTHING)
    check.take(COLUMNS, NOTHING, mac)
    found = check.end(Head(last=1, mac=mac, highest=1, entries=2))
    assert found is not None
    assert found.kind == "inserted"
