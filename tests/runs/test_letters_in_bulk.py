"""Dead letters corrected in bulk: expressions over their records, shown first, then kept beside what was read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.errors import Conflict, Invalid
from accounts.models import AuditEntry, User
from integrations.domain.lifecycle import DeadLetterState
from integrations.errors import REQUEST_REFUSED, NeedsPerson
from integrations.models import DeadLetter, Event, Integration
from integrations.services import dead_letter_bulk, dead_letters
from integrations.services.dead_letter_bulk import Applied, Preview
from integrations.services.dead_letter_changes import Setting
from integrations.services.masking import shown_record
from tests.runs.conftest import Bench
from tests.runs.listed import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("F26")]
MENDED = Setting("amount", "regexp_extract(amount, '[0-9]+')")


def aside(bench: Bench, outside: World, *amounts: str) -> list[DeadLetter]:
    """Letters whose amounts are no numbers."""
    outside.rows = [{"id": number, "amount": amount} for number, amount in enumerate(amounts)]
    bench.work(bench.start())
    return list(DeadLetter.objects.order_by("id"))


def preview(bench: Bench, *settings: Setting) -> Preview:
    version = bench.deployment.version
    return dead_letter_bulk.preview(letters=DeadLetter.objects.all(), settings=settings, version=version)


def apply(bench: Bench, *settings: Setting) -> Applied:
    integration: Integration = bench.deployment.integration
    return dead_letter_bulk.apply(
        integration=integration, letters=DeadLetter.objects.all(), settings=settings, user=None
    )


def records() -> list[object]:
    return [dead_letters.record_of(letter)["amount"] for letter in DeadLetter.objects.order_by("id")]


def test_a_preview_shows_before_and_after_and_counts_what_would_still_fail(bench: Bench, outside: World) -> None:
    aside(bench, outside, "12 EUR", "about 7", "none")
    found = preview(bench, MENDED)
    assert (found.chosen, found.changed, found.unchanged, found.failed) == (3, 3, 0, 0)
    assert (found.written, found.set_aside, found.filtered) == (2, 1, 0)
    assert found.reasons == (("conversion_failed", "amount", 1),)
    assert [(row.before["amount"], row.after["amount"], row.tried.verdict) for row in found.rows] == [
        ("12 EUR", "12", "written"), ("about 7", "7", "written"), ("none", "", "set aside"),
    ]  # fmt: skip
    assert not DeadLetter.objects.exclude(edited="").exists()


def test_what_is_applied_is_kept_encrypted_beside_what_was_read_and_redriven(bench: Bench, outside: World) -> None:
    letters = aside(bench, outside, "12 EUR", "about 7")
    applied = apply(bench, MENDED)
    assert (applied.letters, applied.conflicts) == (tuple(letter.pk for letter in letters), 0)
    assert records() == ["12", "7"]
    assert [dead_letters.payload_of(letter)["amount"] for letter in DeadLetter.objects.order_by("id")] == [
        "12 EUR", "about 7",
    ]  # fmt: skip
    assert not any('"12"' in letter.edited for letter in DeadLetter.objects.all())
    run = bench.work(dead_letters.redrive(deployment=bench.deployment, letter_ids=applied.letters, user=None))
    assert (run.read, run.written, [str(row["amount"]) for row in outside.stored]) == (2, 2, ["12.00", "7.00"])


def test_one_audit_entry_says_what_was_set_and_in_how_many(bench: Bench, outside: World) -> None:
    letters = aside(bench, outside, "12 EUR", "about 7", "x")
    apply(bench, MENDED, Setting("id", "CASE WHEN amount = 'x' THEN id ELSE id + 100 END"))
    entry = AuditEntry.objects.get(action="dead_letter.edited_in_bulk")
    assert entry.object_id == str(bench.deployment.integration_id)
    assert entry.after is not None
    assert (entry.after["letters"], entry.after["first"], entry.after["last"]) == (
        3,
        str(letters[0].pk),
        str(letters[2].pk),
    )
    assert entry.after["set"][0] == "amount = regexp_extract(amount, '[0-9]+')"
    assert Event.objects.filter(topic="dead_letter", kind="dead_letter.edited_in_bulk").count() == 1


def test_settings_read_the_record_as_it_was_and_not_each_other(bench: Bench, outside: World) -> None:
    aside(bench, outside, "a5")
    apply(bench, Setting("id", "id + 1"), Setting("amount", "CAST(id AS VARCHAR)"))
    assert dead_letters.record_of(DeadLetter.objects.get()) == {"id": 1, "amount": "0"}


def test_an_earlier_correction_is_what_the_expressions_read_and_can_be_taken_back(bench: Bench, outside: World) -> None:
    (letter,) = aside(bench, outside, "x")
    dead_letters.edit(letter=letter, record={"id": 0, "amount": "y"}, user=None)
    apply(bench, Setting("amount", "CASE WHEN amount = 'y' THEN 'x' ELSE 'wrong' END"))
    letter.refresh_from_db()
    assert letter.edited == ""


def test_where_an_expression_fails_the_record_stays_and_is_counted(bench: Bench, outside: World) -> None:
    aside(bench, outside, "12 EUR", "about 7")
    setting = Setting("id", "CAST(split_part(amount, ' ', 1) AS BIGINT)")
    found = preview(bench, setting)
    assert (found.changed, found.failed) == (1, 1)
    assert "cannot be made into integer" in found.rows[1].problem
    assert (len(apply(bench, setting).letters), records()) == (1, ["12 EUR", "about 7"])


def test_a_field_that_does_not_fit_its_column_can_be_set_anew(bench: Bench, outside: World) -> None:
    (letter,) = aside(bench, outside, "x")
    dead_letters.edit(letter=letter, record={"id": "many", "amount": "1"}, user=None)
    assert preview(bench, Setting("amount", "upper(amount)")).failed == 1
    found = preview(bench, Setting("id", "7"))
    assert (found.failed, found.written, found.rows[0].after["id"]) == (0, 1, 7)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (Setting("nothing", "1"), "no such field"),
        (Setting("amount", "(SELECT 1)"), ""),
        (Setting("id", "id"), "Set each field once"),
        (Setting("amount", "read_text('/etc/passwd')"), ""),
        (Setting("amount", "amont"), "Did you mean"),
        (Setting("amount", "sum(id)"), ""),
        (Setting("amount", "[id] + 1"), ""),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_at_its_place(
    bench: Bench, outside: World, setting: Setting, message: str
) -> None:
    aside(bench, outside, "x")
    with pytest.raises(Invalid) as refused:
        preview(bench, Setting("id", "id"), setting)
    assert message in refused.value.fields["set.1"]


def test_nothing_set_is_refused(bench: Bench, outside: World) -> None:
    aside(bench, outside, "x")
    with pytest.raises(Invalid, match="at least one"):
        preview(bench)


def test_no_letter_is_refused(bench: Bench) -> None:
    with pytest.raises(Conflict, match="None of these"):
        apply(bench, MENDED)


def test_a_letter_that_somebody_corrected_or_resolved_meanwhile_is_a_conflict_and_stays(
    bench: Bench, outside: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = aside(bench, outside, "12 EUR", "about 7", "8 EUR")
    stored = dead_letter_bulk._store

    def meanwhile(made: list[DeadLetter], integration: Integration, user: User | None) -> object:
        dead_letters.edit(letter=letters[0], record={"id": 0, "amount": "mine"}, user=None)
        dead_letters.discard(letters=[letters[1]], reason="gone")
        return stored(made, integration, user)

    monkeypatch.setattr(dead_letter_bulk, "_store", meanwhile)
    applied = apply(bench, MENDED)
    assert (applied.letters, applied.conflicts, records()) == ((letters[2].pk,), 2, ["mine", "about 7", "8"])


def test_a_letter_that_may_have_arrived_is_a_conflict(bench: Bench, outside: World) -> None:
    aside(bench, outside, "12 EUR")
    outside.fail_write = [("after", NeedsPerson(REQUEST_REFUSED, "No."))]
    bench.work(dead_letters.redrive(deployment=bench.deployment, letter_ids=None, user=None))
    assert (apply(bench, MENDED).conflicts, records()) == (1, ["12 EUR", "12 EUR"])


def test_no_more_letters_than_the_most_are_taken_and_the_rest_is_counted(
    bench: Bench, outside: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letter_bulk, "CORRECTED_AT_MOST", 2)
    monkeypatch.setattr(dead_letter_bulk, "_AT_ONCE", 1)
    aside(bench, outside, "12 EUR", "about 7", "8 EUR")
    found = preview(bench, MENDED)
    assert (found.chosen, found.left_out, found.written) == (2, 1, 2)
    assert (len(apply(bench, MENDED).letters), records()) == (2, ["12", "7", "8 EUR"])


@pytest.fixture
def masked(make_bench: Callable[..., Bench], outside: World) -> Bench:
    """A bench whose policy hides amounts, with one letter."""
    hidden = {"masking.fields": [{"field": "amount", "how": "redact"}]}
    fields = [
        {"target": "id", "expression": "id", "type": "integer", "required": True},
        {"target": "amount", "expression": "amount", "type": "text", "required": True},
    ]
    bench = make_bench(rules=hidden, mapping={"fields": fields, "filter": ""})
    outside.rows = [{"id": 1, "amount": None}, {"id": 2, "amount": "1234"}]
    outside.refuse = frozenset({2})
    bench.work(bench.start())
    return bench


@pytest.mark.parametrize("expression", ["amount", "CASE WHEN amount LIKE '1%' THEN 1 ELSE 0 END", "length(amount)"])
def test_no_expression_tells_of_a_masked_field(masked: Bench, expression: str) -> None:
    with pytest.raises(Invalid, match="masks"):
        preview(masked, Setting("id", expression))
    with pytest.raises(Invalid, match="masks"):
        preview(masked, Setting("amount", "upper(amount)"))


def test_a_masked_field_can_be_set_is_not_shown_and_the_others_keep_what_they_hide(masked: Bench) -> None:
    found = preview(masked, Setting("id", "id + 10"))
    assert [row.after for row in found.rows] == [{"id": 11, "amount": None}, {"id": 12, "amount": "[redacted]"}]
    apply(masked, Setting("id", "id + 10"))
    assert [dead_letters.record_of(letter) for letter in DeadLetter.objects.order_by("id")] == [
        {"id": 11, "amount": None}, {"id": 12, "amount": "1234"},
    ]  # fmt: skip
    apply(masked, Setting("amount", "'secret words'"))
    assert records() == ["secret words", "secret words"]
    letter = DeadLetter.objects.order_by("id")[0]
    assert shown_record(letter, dead_letters.record_of(letter))["amount"] == "[redacted]"
    entry = AuditEntry.objects.filter(action="dead_letter.edited_in_bulk").order_by("seq").last()
    assert entry is not None
    assert "secret" not in str(entry.after)


def test_letters_that_are_not_open_are_left_alone(bench: Bench, outside: World) -> None:
    letters = aside(bench, outside, "12 EUR", "about 7")
    DeadLetter.objects.filter(pk=letters[0].pk).update(state=DeadLetterState.DISCARDED)
    assert apply(bench, MENDED).letters == (letters[1].pk,)


def test_an_expression_that_can_never_fit_its_column_is_refused(bench: Bench, outside: World) -> None:
    aside(bench, outside, "x")
    with pytest.raises(Invalid) as refused:
        preview(bench, Setting("amount", "upper(amount)"), Setting("id", "[id]"))
    assert "cannot be made into integer" in refused.value.fields["set.1"]
