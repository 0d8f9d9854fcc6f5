"""The form of an API token."""

from __future__ import annotations

import pytest

from accounts.domain import token_format

MADE = token_format.make(b"\x00\x01\x02\x03\xff\x80\x20\x1f", bytes(range(32)))


def test_a_token_is_read_back_as_it_was_made() -> None:
    assert token_format.parse(MADE.text) == MADE
    assert len(MADE.text) == len("sbx_") + 8 + 1 + 43 + 1 + 8


@pytest.mark.parametrize("position", [4, 13, 30, 55, 64])
def test_one_wrong_character_is_noticed_without_a_look_at_the_database(position: int) -> None:
    wrong = "a" if MADE.text[position] != "a" else "b"
    assert token_format.parse(MADE.text[:position] + wrong + MADE.text[position + 1 :]) is None


@pytest.mark.parametrize(
    "text", ["", "sbx_", MADE.text + "\n", MADE.text.upper(), f" {MADE.text}", "\u017f" + MADE.text[1:]]
)
def test_what_only_resembles_a_token_is_none(text: str) -> None:
    assert token_format.parse(text) is None


def test_the_secret_stays_out_of_the_repr() -> None:
    assert MADE.secret not in repr(MADE)


def test_the_stored_form_depends_on_the_pepper() -> None:
    assert token_format.digest("one", MADE.secret) != token_format.digest("two", MADE.secret)


@pytest.mark.parametrize(("of_id", "of_secret"), [(7, 32), (8, 31)])
def test_too_little_randomness_is_refused(of_id: int, of_secret: int) -> None:
    with pytest.raises(ValueError, match="random bytes"):
        token_format.make(bytes(of_id), bytes(of_secret))
