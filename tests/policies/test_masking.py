"""Masks: what they make of values, which fields of a mapping they hold for, and what a run sends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from accounts.errors import Invalid
from accounts.models import Workspace
from integrations.domain.lifecycle import RunState
from integrations.domain.mapping import FieldRule, Mapping
from integrations.domain.masking import MaskHow, masked_fields, masked_text, masked_value, masks_of, names_read, unfit
from integrations.errors import NeedsPerson
from integrations.models import DeadLetter, Deployment, MaskingKey, Policy, RuleAction, SchemaChange
from integrations.pipeline.masking import MaskingMapper
from integrations.services import dead_letters, drift, integrations, masking, policies
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.dead_letter_trial import try_one
from integrations.services.dead_letters import payload_of
from integrations.services.preview import preview
from tests.runs.conftest import Bench
from tests.runs.listed import World

KEY = b"k" * 32
TEXTS = [
    {"target": "id", "expression": "id", "type": "integer", "required": True},
    {"target": "amount", "expression": "amount", "type": "text", "required": True},
]
field = FieldRule.of


def mask(batch: pa.RecordBatch, masks: dict[str, str], *rules: FieldRule, keys: tuple[str, ...] = ()) -> pa.RecordBatch:
    held = masks_of([{"field": name, "how": how} for name, how in masks.items()])
    with MaskingMapper(Mapping(rules), batch.schema, masks=held, key=KEY, keys=keys) as mapper:
        return mapper.map(batch).accepted


@pytest.mark.parametrize(
    ("text", "how", "masked"),
    [
        ("ada@example.org", MaskHow.REDACT, "[redacted]"),
        ("4111111111111234", MaskHow.KEEP_LAST_FOUR, "****1234"),
        ("12345678", MaskHow.KEEP_LAST_FOUR, "****"),
        ("ada", MaskHow.DROP, None),
    ],
)
def test_what_a_mask_makes_of_a_text(text: str, how: MaskHow, masked: str | None) -> None:
    assert masked_text(text, how, KEY) == masked


def test_a_hash_is_keyed_and_stays_the_same() -> None:
    made = masked_text("ada", MaskHow.HASH, KEY)
    assert made == masked_text("ada", MaskHow.HASH, KEY)
    assert len(made or "") == 64
    assert made not in (masked_text("bob", MaskHow.HASH, KEY), masked_text("ada", MaskHow.HASH, b"other"))


def test_of_two_masks_of_one_field_the_stronger_holds() -> None:
    weak, strong = {"field": "Email", "how": "keep_last_four"}, {"field": "email", "how": "redact"}
    assert masks_of([weak], [strong]) == masks_of([strong], [weak]) == {"email": MaskHow.REDACT}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("email", {"email"}),
        ("upper(trim(Email))", {"email"}),
        ("customer.email", {"customer", "email"}),
        ("customer['email']", {"customer", "email"}),
        ("json_extract_string(doc, '$.contact.email')", {"doc", "contact", "email"}),
        ("case when kind = 'email' then 1 else 0 end", {"kind"}),
        ("nonsense (", set()),
    ],
)
def test_which_names_an_expression_reads(expression: str, names: set[str]) -> None:
    assert names_read(expression) == names


def test_a_renamed_and_a_computed_field_are_masked_too() -> None:
    batch = pa.record_batch({"email": ["ada@example.org", None], "id": ["1", "2"]})
    rules = (field("contact", "email", "text"), field("loud", "upper(email)", "text"), field("id", "id", "text"))
    assert mask(batch, {"email": "redact"}, *rules).to_pylist() == [
        {"contact": "[redacted]", "loud": "[redacted]", "id": "1"},
        {"contact": None, "loud": None, "id": "2"},
    ]


def test_a_mask_names_a_destination_field_as_well() -> None:
    batch = pa.record_batch({"a": ["ada@example.org"]})
    assert mask(batch, {"contact": "keep_last_four"}, field("contact", "a", "text")).to_pylist() == [
        {"contact": "****.org"}
    ]


def test_a_masked_name_inside_a_structure_is_hidden_in_json_and_hides_a_whole_text() -> None:
    batch = pa.record_batch({"customer": [{"name": "Ada", "email": "ada@example.org"}]})
    rules = (field("doc", "customer", "json"), field("flat", "customer.name", "text"))
    made = mask(batch, {"email": "redact"}, *rules).to_pylist()[0]
    assert msgspec.json.decode(made["doc"]) == {"name": "Ada", "email": "[redacted]"}
    whole = mask(batch, {"email": "redact"}, field("all", "cast(customer as varchar)", "text")).to_pylist()
    assert whole == [{"all": "[redacted]"}]


def test_a_dropped_number_is_empty_and_keeps_its_type() -> None:
    made = mask(pa.record_batch({"salary": [10, 20]}), {"salary": "drop"}, field("salary", "salary", "integer"))
    assert made.column(0).to_pylist() == [None, None]
    assert made.schema.field(0).type == pa.int64()


@pytest.mark.parametrize(
    ("rule", "how", "keys", "word"),
    [
        (field("salary", "salary", "integer"), "hash", (), "makes text of it"),
        (field("salary", "salary", "text", required=True), "drop", (), "is required"),
        (field("salary", "salary", "text"), "redact", ("salary",), "only the hash keeps keys apart"),
    ],
)
def test_a_field_that_cannot_hold_its_mask_stops_the_run_before_it_sends(
    rule: FieldRule, how: str, keys: tuple[str, ...], word: str
) -> None:
    with pytest.raises(NeedsPerson, match=word) as refused:
        mask(pa.record_batch({"salary": ["10"]}), {"salary": how}, rule, keys=keys)
    assert refused.value.code == "mask_unfit"


def test_a_hashed_key_and_a_dropped_optional_field_fit() -> None:
    masks = {"a": MaskHow.HASH, "b": MaskHow.DROP}
    rules = Mapping((field("a", "a", "text", required=True), field("b", "b", "integer")))
    assert unfit(masked_fields(rules, masks), ["a"]) == {}


def test_a_value_is_masked_at_any_depth() -> None:
    record = {"Email": "a@b.c", "orders": [{"email": 5}, {"email": None}], "id": 1}
    masked = masked_value(record, {"email": MaskHow.REDACT}, KEY)
    assert masked == {"Email": "[redacted]", "orders": [{"email": "[redacted]"}, {"email": None}], "id": 1}


CARD = "4111111111111111"
TEXT = f'{{"card": "{CARD}", "n": 1.10, "id": 123456789012345678901234567890}}'
HIDDEN = '{"card":"[redacted]","n":1.10,"id":123456789012345678901234567890}'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (TEXT, HIDDEN),
        (f" [{TEXT}]", f"[{HIDDEN}]"),
        (f'{{"c\\u0061rd": "{CARD}"}}', '{"card":"[redacted]"}'),
        (f'{{"card": "{CARD}", "card": null}}', '{"card":null}'),
        (msgspec.json.encode({"note": TEXT}).decode(), msgspec.json.encode({"note": HIDDEN}).decode()),
        (TEXT[:20], "[redacted]"),
        ('{"x": 1,  "of": "a card"}', '{"x": 1,  "of": "a card"}'),
        ("a card in words", "a card in words"),
        ("[" * 100_000 + '"card"', "[redacted]"),
    ],
)
def test_a_text_that_holds_json_is_searched_where_people_look(text: str, shown: str) -> None:
    masks = {"card": MaskHow.REDACT}
    assert masked_value({"payload": text}, masks, KEY) == {"payload": shown}


def test_a_path_holds_below_its_first_field_alone() -> None:
    masks = {"payload.card": MaskHow.REDACT}
    record = {"Payload": {"of": [{"card": "1"}]}, "card": "2", "text": TEXT, "payload": TEXT}
    shown = {"Payload": {"of": [{"card": "[redacted]"}]}, "card": "2", "text": TEXT, "payload": HIDDEN}
    assert masked_value(record, masks, KEY) == shown


def test_on_the_way_out_a_path_leads_into_texts_and_a_name_does_not() -> None:
    batch = pa.record_batch({"payload": [TEXT, "no json", None], "id": ["1", "2", "3"]})
    rules = (field("body", "payload", "text"), field("loud", "upper(payload)", "text"), field("id", "id", "text"))
    made = mask(batch, {"payload.card": "redact"}, *rules)
    assert made.column("body").to_pylist() == [HIDDEN, "no json", None]
    assert CARD not in str(made.column("loud").to_pylist())
    assert mask(batch, {"card": "redact"}, *rules).column("body").to_pylist() == [TEXT, "no json", None]


def test_what_a_path_names_is_hidden_wherever_an_expression_takes_it_out() -> None:
    batch = pa.record_batch({"payload": [TEXT], "customer": [{"card": CARD, "name": "Ada"}]})
    rules = (
        field("a", "json_extract_string(payload, '$.card')", "text"),
        field("b", "cast(customer as varchar)", "text"),
        field("c", "customer", "json"),
    )
    made = mask(batch, {"payload.card": "redact", "customer.card": "redact"}, *rules).to_pylist()[0]
    assert (made["a"], made["b"]) == ("[redacted]", "[redacted]")
    assert CARD not in made["c"]


@pytest.mark.parametrize("masked", ["card", "payload.card"])
def test_the_reason_of_a_record_quotes_no_json_with_a_masked_name(masked: str) -> None:
    batch = pa.record_batch({"payload": [TEXT]})
    held = masks_of([{"field": masked, "how": "redact"}])
    rule = Mapping((field("n", "payload", "integer"),))
    with MaskingMapper(rule, batch.schema, masks=held, key=KEY, keys=()) as mapper:
        (rejected,) = mapper.map(batch).rejected
    assert (CARD in rejected.reason, "masked by a policy" in rejected.reason) == (False, True)


def masked_bench(make_bench: Callable[..., Bench], **changes: Any) -> Bench:
    rules = {"masking.fields": [{"field": "amount", "how": "hash"}]}
    return make_bench(rules=rules, mapping={"fields": TEXTS, "filter": changes.get("filter", "")})


def test_a_run_sends_hashes_that_stay_the_same(make_bench: Callable[..., Bench], outside: World) -> None:
    outside.rows = [{"id": number, "amount": str(number % 2)} for number in range(4)]
    bench = masked_bench(make_bench)
    for _ in range(2):
        assert bench.work(bench.start()).state == RunState.SUCCEEDED
    sent = [row["amount"] for row in outside.stored]
    assert sent[:4] == sent[4:]
    assert len(set(sent)) == 2
    assert all(len(each) == 64 for each in sent)
    action = RuleAction.objects.get(rule="masking.fields")
    assert action.what == "hid 4 values of amount"


def test_a_dead_letter_hides_what_the_policy_masks_and_the_redrive_does_not_need_it(
    make_bench: Callable[..., Bench], outside: World
) -> None:
    outside.rows = [{"id": 1, "amount": None}, {"id": 2, "amount": "secret"}]
    outside.refuse = frozenset({2})
    bench = masked_bench(make_bench)
    bench.work(bench.start())
    letters = {payload_of(letter)["id"]: letter for letter in DeadLetter.objects.all()}
    stored = payload_of(letters[2])
    shown = masking.shown_record(letters[2], stored)
    assert (stored["amount"], len(shown["amount"]), shown["id"]) == ("secret", 64, 2)
    assert masking.meant_record(letters[2], stored, {**shown, "id": 3}) == {"id": 3, "amount": "secret"}


def test_the_reason_of_a_dead_letter_does_not_say_what_is_masked(
    make_bench: Callable[..., Bench], outside: World
) -> None:
    outside.rows = [{"id": 1, "amount": "secret"}] + [{"id": n, "amount": "2"} for n in range(2, 120)]
    bench = masked_bench(make_bench, filter="CAST(amount AS INTEGER) > 0")
    bench.work(bench.start())
    letter = DeadLetter.objects.get()
    assert "secret" not in letter.reason
    assert "masked by a policy" in letter.reason


def test_what_never_decoded_is_hidden_as_a_whole(make_bench: Callable[..., Bench], outside: World) -> None:
    outside.rows = [{"id": 1, "amount": None}]
    bench = masked_bench(make_bench)
    bench.work(bench.start())
    letter = DeadLetter.objects.get()
    letter.is_record = False
    assert masking.shown_record(letter, {"raw": "1;secret"}) == {"raw": masking.HIDDEN_RAW}


def test_a_letter_of_an_integration_without_masks_is_shown_as_it_is(bench: Bench, outside: World) -> None:
    outside.rows = [{"id": 1, "amount": "x"}]
    bench.work(bench.start())
    letter = DeadLetter.objects.get()
    assert masking.shown_record(letter, {"amount": "x"}) == {"amount": "x"}


def test_the_key_of_a_workspace_is_made_once_and_kept_encrypted(workspace: Workspace) -> None:
    first = masking.key_of(workspace)
    assert first == masking.key_of(workspace)
    assert first.hex() not in MaskingKey.objects.get().ciphertext
    assert len(first) == 32


def test_a_preview_shows_nothing_that_a_reader_of_the_source_masks(
    make_bench: Callable[..., Bench], outside: World
) -> None:
    outside.rows = [{"id": 1, "amount": "secret"}]
    bench = masked_bench(make_bench)
    source = bench.deployment.version.source
    fields = [
        {"target": "n", "expression": "amount", "type": "integer"},
        {"target": "t", "expression": "amount", "type": "text"},
        {"target": "doc", "expression": "to_json(struct_pack(amount := id))", "type": "json"},
    ]
    made = preview(source=source, stream="rows", mapping={"fields": fields, "filter": ""})
    assert "secret" not in str(made.to_json())
    assert len(made.rows[0].input["amount"]) == 64
    assert "masked by a policy" in made.rows[0].errors["n"]


def test_people_see_no_masked_value_of_a_dead_letter_and_lose_none_by_editing(
    make_bench: Callable[..., Bench], outside: World
) -> None:
    outside.rows = [{"id": 1, "amount": "secret"}]
    outside.refuse = frozenset({1})
    bench = masked_bench(make_bench)
    bench.work(bench.start())
    letter, version = DeadLetter.objects.get(), bench.deployment.version
    shown = masking.shown_record(letter, payload_of(letter))
    tried = try_one(letter=letter, record={**shown, "id": 5}, version=version)
    assert (tried.verdict, tried.output["id"]) == ("written", 5)
    assert "secret" not in str(tried)
    edited = dead_letters.edit(letter=letter, record={**shown, "id": 5}, user=None)
    assert dead_letters.record_of(edited) == {"id": 5, "amount": "secret"}


def test_a_letter_is_masked_as_its_own_deployment_is(make_bench: Callable[..., Bench], outside: World) -> None:
    """One of production is not shown as development may be."""
    bench = make_bench(mapping={"fields": TEXTS, "filter": ""})
    rules: dict[str, Any] = {"masking.fields": [{"field": "amount", "how": "redact"}]}
    strict = Policy.objects.create(workspace=bench.deployment.workspace, name="strict", rules=rules)
    given = ConnectorInput("real lists", "listed", {}, policy=strict)
    real = save_connector(workspace=bench.deployment.workspace, connector=None, given=given)
    flow = replace(integrations.flow_of(bench.deployment.version), source=real, destination=real)
    version = integrations.add_version(integration=bench.deployment.integration, flow=flow, user=None)
    Deployment.objects.update(environment="development")
    production = Deployment.objects.create(
        workspace=real.workspace, integration=version.integration, version=version, environment="production"
    )
    outside.rows, outside.refuse = [{"id": 1, "amount": "7"}], frozenset({1})
    there = Bench(production)
    there.work(there.start())
    letter = DeadLetter.objects.get()
    assert masking.shown_record(letter, payload_of(letter))["amount"] == "[redacted]"


@pytest.mark.parametrize(
    ("masked", "shown"),
    [
        ("email", ["[redacted]"]),
        ("card", ['{"card":"[redacted]"}']),
        ("payload.card", ['{"card":"[redacted]"}']),
        ("city", ["Graz"]),
    ],
)
def test_the_values_of_a_changed_column_are_shown_masked(
    make_bench: Callable[..., Bench], outside: World, masked: str, shown: list[str]
) -> None:
    bench = make_bench(rules={"masking.fields": [{"field": masked, "how": "redact"}]} if masked != "city" else {})
    outside.rows = [{"id": 1, "amount": "1"}]
    bench.work(bench.start())
    column = {"email": "email", "city": "city"}.get(masked, "payload")
    value = {"email": "ada@example.org", "city": "Graz"}.get(masked, '{"card": "4111111111111111"}')
    outside.schema = outside.schema.append(pa.field(column, pa.string()))
    outside.rows = [{"id": 1, "amount": "1", column: value}]
    bench.work(bench.start())
    assert drift.sample_of(SchemaChange.objects.get()) == shown


def test_a_mask_that_an_active_mapping_cannot_hold_is_refused_when_the_policy_is_saved(
    make_bench: Callable[..., Bench], outside: World
) -> None:
    bench = make_bench(rules={"retry.attempts": 2})
    policy, rules = Policy.objects.get(), {"masking.fields": [{"field": "Amount", "how": "hash"}]}
    with pytest.raises(Invalid) as refused:
        policies.save_policy(
            workspace=bench.deployment.workspace, policy=policy, name="strict", description="", rules=rules
        )
    assert "For “numbers”: amount is decimal(12,2); “hash” makes text of it" in refused.value.fields["masking.fields"]
