"""Random changes to a small audit log, as a superuser of its database could make them, and whether each is found."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import models, transaction

from accounts import audit, audit_keys
from accounts.domain.audit_chain import NOTHING, signature
from accounts.domain.audit_check import Anchor
from accounts.models import AuditCounter, AuditEntry, Workspace
from accounts.models.audit import columns_of
from accounts.request_context import Actor, RequestContext, acting_as, entered
from accounts.services.audit_anchors import line_of, parse
from accounts.services.audit_verify import verify_scope
from tests.world import World

ENTRIES = 24
# Above every number of the log, for rows on their way to another.
_FAR = 1_000_000


@dataclass
class Tally:
    """How many changes of each kind were made, how many of them were found, and how."""

    made: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    false_alarms: int = 0


@dataclass
class Log:
    """A workspace's log, whose heads were anchored now and then, and at its end."""

    workspace: Workspace
    other: Workspace
    random: random.Random
    anchors: list[Anchor]

    def entries(self) -> models.QuerySet[AuditEntry]:
        """A queryset that refuses nothing: the superuser's."""
        return models.QuerySet(AuditEntry).filter(workspace=self.workspace)

    def one(self) -> AuditEntry:
        """Any entry."""
        return self.random.choice(list(self.entries().order_by("seq")))

    def count_to(self, seq: int) -> None:
        """Set the counter so that it fits a chain that ends there."""
        last = self.entries().filter(seq=seq).first()
        counters = AuditCounter.objects.filter(pk=self.workspace.pk)
        counters.update(last=seq, mac=last.mac if last else NOTHING)

    def write(self) -> None:
        """One more entry, by the product."""
        actor = RequestContext(lambda: Actor(system="proof"), self.random.choice([None, "203.0.113.9", "2001:db8::1"]))
        with entered(actor), transaction.atomic():
            values = {"n": self.random.random(), "words": "ü" * self.random.randrange(9)}
            audit.record(workspace=self.workspace, action="proof.done", object=self.workspace, after=values)


def make_log(world: World, seed: int) -> Log:
    """A log of a few entries with anchors among them."""
    log = Log(world.workspace, world.other, random.Random(seed), [])
    for number in range(1, ENTRIES + 1):
        log.write()
        if number % 7 == 0 or number == ENTRIES:
            log.anchors += parse([line_of(AuditCounter.objects.get(pk=log.workspace.pk))]).good
    with acting_as(world.owner), transaction.atomic():
        audit.record(workspace=world.other, action="proof.done", object=world.other)
    return log


def edit(log: Log) -> None:
    """Another value in one column of one entry."""
    _edit(log, sorted(_OTHER_VALUES))


def _edit(log: Log, names: list[str]) -> None:
    entry, name = log.one(), log.random.choice(names)
    value = _OTHER_VALUES[name](log, getattr(entry, name))
    log.entries().filter(pk=entry.pk).update(**{name: value})


def delete(log: Log) -> None:
    """One entry or several are gone."""
    entries = list(log.entries())
    gone = log.random.sample(entries, log.random.randrange(1, len(entries)))
    log.entries().filter(pk__in=[entry.pk for entry in gone]).delete()


def delete_and_number(log: Log) -> None:
    """An entry is gone, those behind it moved up, and the counter fits."""
    gone = log.one()
    log.entries().filter(pk=gone.pk).delete()
    _shift(log, gone.seq, -1)
    log.count_to(ENTRIES - 1)


def reorder(log: Log) -> None:
    """Several entries trade places."""
    chosen = log.random.sample(list(log.entries()), log.random.randrange(2, 6))
    numbers = [entry.seq for entry in chosen]
    _renumber(log, chosen, [*numbers[1:], numbers[0]])


def truncate(log: Log) -> None:
    """The end is gone, and the counter fits what is left."""
    keep = log.random.randrange(ENTRIES)
    log.entries().filter(seq__gt=keep).delete()
    log.count_to(keep)


def truncate_and_go_on(log: Log) -> None:
    """The end is gone, and the product has written on: beyond the anchors, or not as far."""
    truncate(log)
    for _ in range(log.random.randrange(1, 2 * ENTRIES)):
        log.write()


def insert(log: Log) -> None:
    """An entry that never was stands somewhere in the log, or behind its end."""
    model = log.one()
    place = log.random.randrange(1, ENTRIES + 2)
    _shift(log, place, +1)
    made = AuditEntry(**{f.attname: getattr(model, f.attname) for f in AuditEntry._meta.concrete_fields})
    made.pk, made.seq = uuid4(), place
    made.object_label = f"forged {log.random.random()}"
    models.Model.save(made, force_insert=True)
    log.count_to(ENTRIES + 1)


def move(log: Log) -> None:
    """An entry stands in another workspace's log."""
    log.entries().filter(pk=log.one().pk).update(workspace=log.other, seq=_FAR)


def sign_anew(log: Log) -> None:
    """Who has stolen the master key, too, edits an entry and signs the rest of the log anew."""
    if log.random.random() < 0.5:
        _edit(log, sorted(_OTHER_VALUES.keys() - {"seq", "prev", "mac", "key_id"}))
    else:
        log.entries().filter(pk=log.one().pk).delete()
    sign_all(log)


def sign_all(log: Log) -> None:
    """Sign what is there as if it had always been so."""
    signing, prev = audit_keys.current(), NOTHING
    for number, entry in enumerate(log.entries().order_by("seq"), start=1):
        entry.seq, entry.prev, entry.key_id = number, prev, signing.id
        prev = signature(signing.key, columns_of(entry), prev)
        log.entries().filter(pk=entry.pk).update(seq=number, prev=entry.prev, mac=prev, key_id=signing.id)
    log.count_to(log.entries().count())


Tampering = Callable[[Log], None]
TAMPERINGS: tuple[Tampering, ...] = (
    edit, edit, edit, delete, delete_and_number, reorder, truncate, truncate_and_go_on, insert, move, sign_anew,
)  # fmt: skip


def tamper(log: Log, times: int, tamperings: Sequence[Tampering] = TAMPERINGS) -> Tally:
    """Change, verify and take back, so many times; between them the log is as it was, and must fit."""
    tally = Tally()
    for number in range(times):
        tampering = tamperings[number % len(tamperings)]
        before = _state()
        with transaction.atomic():
            tampering(log)
            if _state() == before:
                raise AssertionError(f"{tampering.__name__} changed nothing")
            found = _findings(log)
            transaction.set_rollback(True)
        tally.made[tampering.__name__] += 1
        tally.findings.update(found[:1])
        tally.missed.update([] if found else [tampering.__name__])
        if number % 50 == 0:
            tally.false_alarms += bool(_findings(log))
    return tally


def _findings(log: Log) -> list[str]:
    found = [verify_scope(log.workspace.pk, log.anchors)[1], verify_scope(log.other.pk, [])[1]]
    return [finding.kind for finding in found if finding]


def _state() -> tuple[list[Any], list[Any]]:
    entries: models.QuerySet[AuditEntry] = models.QuerySet(AuditEntry).order_by("pk")
    return list(entries.values_list()), list(AuditCounter.objects.order_by("pk").values_list())


def _shift(log: Log, place: int, by: int) -> None:
    """Move what stands there and behind it; by way of far away, since no number may be there twice."""
    log.entries().filter(seq__gte=place).update(seq=models.F("seq") + _FAR)
    log.entries().filter(seq__gte=_FAR).update(seq=models.F("seq") - _FAR + by)


def _renumber(log: Log, entries: list[AuditEntry], numbers: list[int]) -> None:
    for entry, number in zip(entries, numbers, strict=True):
        log.entries().filter(pk=entry.pk).update(seq=number + _FAR)
    log.entries().filter(seq__gte=_FAR).update(seq=models.F("seq") - _FAR)


def _other_text(log: Log, value: object) -> str:
    """Another text of about the same look: one letter changed, one added, or one gone."""
    text = str(value or "")
    place = log.random.randrange(len(text) + 1)
    others = [f"{text[:place]}x{text[place:]}"[:8], text[:-1], text.upper()[:8], "y", ""]
    return log.random.choice([other for other in others if other != text])


def _other_ip(log: Log, value: object) -> str | None:
    choices: list[str | None] = [None, "203.0.113.9", "203.0.113.8", "2001:db8::1", "2001:db8::2"]
    return log.random.choice([choice for choice in choices if choice != value])


def _other_json(log: Log, value: object) -> dict[str, object]:
    return {**(value if isinstance(value, dict) else {}), "n": log.random.random()}


def _other_person(log: Log, value: object) -> UUID | None:
    people = log.workspace.memberships.values_list("user", flat=True)
    return log.random.choice([person for person in people if person != value])


_OTHER_VALUES: dict[str, Callable[[Log, Any], object]] = {
    "id": lambda _log, _value: uuid4(),
    "seq": lambda log, _value: ENTRIES + log.random.randrange(1, 9),
    "at": lambda log, value: value + timedelta(microseconds=log.random.choice([-1, 1, 10**6, 10**12])),
    "actor_id": _other_person,
    "ip": _other_ip,
    "before": _other_json,
    "after": _other_json,
    "mac": lambda log, value: signature(b"guessed", columns_of(log.one()), value),
    "prev": lambda log, value: signature(b"guessed", columns_of(log.one()), value),
    **dict.fromkeys(
        ("actor_label", "action", "object_type", "object_id", "object_label", "request_id", "key_id"), _other_text
    ),
}
