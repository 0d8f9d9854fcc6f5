"""The conformance suite of connector plugins: what every plugin must do, tested the same way for all.

Use, in `tests/connectors/test_<plugin>_conformance.py`:

    TestSqlite = conformance(
        SqliteConnector,
        sources={"table": make_source},                 # needed where spec.reads
        destinations={"append": make_destination},      # needed where spec.writes
        broken={"no such file": make_missing_file},     # at least one, always
    )

Each factory takes pytest's `request` (so that it can ask for any fixture: `request.getfixturevalue("tmp_path")`) and
returns a `Source`, a `Destination` or a `Broken`, freshly made for each test. The labels become test ids.

What the suite holds a plugin to, beyond `integrations/connectors/base.py`:
- `check()` returns its verdict, it does not raise; only the constructor may raise (`NeedsPerson`).
- A cursor is plain JSON. Reading from the cursor of any batch gives exactly the records of the batches after it.
- A cursor that is not this plugin's is `NeedsPerson(CURSOR_INVALID)`; an unknown stream is `STREAM_MISSING`.
- A failing read raises from `read()` or its iteration, and never ends as an empty success.
- Where `Guarantee.TRANSACTIONAL` is declared: opening a writer registers its fence (at the latest in `checkpoint()`),
  so that every write of a lower fence is refused from then on with `StopRun(LEASE_LOST)`: without this, a paused worker
  could store the batch that its successor is about to store again. `finish` may be repeated with the same commit.
- Where it is not: the same batch is composed to the same bytes, which can be sent again from any part on. For
  `idempotency_key` and `upsert_versioned` a repetition changes nothing; a late one cannot replace newer versions.
- `Destination.contents` gives what a consumer sees after `finish`, as rows in any order.
- Credential values never stand in an error, a repr, a verdict, a cursor, a bad record or a log line.
"""

from __future__ import annotations

import re

from integrations.connectors.base import Connector, Guarantee, PluginSpec, Setting, SettingKind
from integrations.connectors.registry import CONNECTORS
from tests.connectors.cases import Base, Broken, Destination, Factories, Rows, Source, make, no_secret_in
from tests.connectors.conformance_read import ReadConformance
from tests.connectors.conformance_remote import RemoteConformance
from tests.connectors.conformance_write import TransactionalConformance

__all__ = ["Broken", "Destination", "Rows", "Source", "conformance"]

LOOKS_SECRET = re.compile(r"passw|secret|token|api_?key|private_?key", re.IGNORECASE)


class SpecConformance(Base):
    """What a plugin declares of itself is complete, and a connector that cannot work says why."""

    def test_the_plugin_is_registered_under_its_key(self) -> None:
        assert CONNECTORS[self.plugin.spec.key] is self.plugin

    def test_the_plugin_says_what_it_is(self) -> None:
        spec = self.plugin.spec
        assert re.fullmatch(r"[a-z][a-z0-9_]*", spec.key)
        assert re.fullmatch(r"[a-z][a-z0-9-]*", spec.icon)
        assert spec.label
        assert len(spec.description) >= 20

    def test_it_reads_or_writes_and_a_writer_declares_its_guarantee(self) -> None:
        spec = self.plugin.spec
        assert spec.reads or spec.writes
        assert spec.writes == (spec.guarantee is not None)

    def test_every_setting_is_labelled_and_usable(self) -> None:
        names = [setting.name for setting in self.plugin.spec.settings]
        assert len(set(names)) == len(names)
        assert [_faults_of(setting, names) for setting in self.plugin.spec.settings] == [[]] * len(names)

    def test_no_secret_is_declared_as_a_setting(self) -> None:
        assert [s.name for s in self.plugin.spec.settings if LOOKS_SECRET.search(s.name)] == []

    def test_a_required_credential_has_a_kind(self) -> None:
        spec = self.plugin.spec
        assert spec.credential_kinds or not spec.credential_required

    def test_a_broken_connector_says_what_happened_and_what_to_do(self, broken: Broken) -> None:
        verdict = make(self.plugin, broken.context).verdict()
        assert verdict.ok is broken.checks_green
        assert broken.checks_green or verdict.code in broken.codes
        assert verdict.message
        assert verdict.ok or verdict.what_to_do
        no_secret_in(broken.context, repr(verdict), verdict.message)


def _faults_of(setting: Setting, names: list[str]) -> list[str]:
    choices = [value for value, _ in setting.choices]
    faults = {
        "no label": not setting.label,
        "bad name": not re.fullmatch(r"[a-z][a-z0-9_]*", setting.name),
        "choices": (setting.kind is SettingKind.CHOICE) != bool(choices)
        or not all(label for _, label in setting.choices),
        "default is no choice": bool(choices) and setting.default is not None and setting.default not in choices,
        "bounds": None not in (setting.minimum, setting.maximum) and (setting.minimum or 0) > (setting.maximum or 0),
        "shown_when": setting.shown_when is not None and setting.shown_when[0] not in names,
    }
    return [fault for fault, present in faults.items() if present]


def _parts_for(spec: PluginSpec) -> tuple[type[Base], ...]:
    transactional = spec.guarantee is Guarantee.TRANSACTIONAL
    parts = {
        SpecConformance: True,
        ReadConformance: spec.reads,
        RemoteConformance: spec.writes and not transactional,
        TransactionalConformance: transactional,
    }
    return tuple(part for part, wanted in parts.items() if wanted)


def conformance(
    plugin: type[Connector],
    *,
    sources: Factories[Source] | None = None,
    destinations: Factories[Destination] | None = None,
    broken: Factories[Broken],
) -> type[Base]:
    """Return the test class of a plugin: the parts of the suite that its declaration calls for."""
    if plugin.spec.reads != bool(sources) or plugin.spec.writes != bool(destinations) or not broken:
        raise ValueError(f"{plugin.spec.key}: give sources and destinations as the plugin declares, and a broken one")
    factories = {"source": sources or {}, "destination": destinations or {}, "broken": broken}
    return type("Conformance", _parts_for(plugin.spec), {"plugin": plugin, "factories": factories})
