"""All rules by name and all sections by key, in the order of the pages; a new section adds its line to `_MODULES`."""

from __future__ import annotations

from integrations.domain.policy.rule import Rule
from integrations.domain.policy.rules import (
    approval,
    breaker,
    budget,
    concurrency,
    drift,
    freshness,
    limit,
    maintenance,
    masking,
    partitions,
    redrive,
    retention,
    retry,
    slo,
    timeout,
    tolerance,
    volume,
)

_MODULES = (
    retry,
    timeout,
    limit,
    concurrency,
    budget,
    breaker,
    tolerance,
    volume,
    drift,
    partitions,
    redrive,
    masking,
    retention,
    freshness,
    slo,
    maintenance,
    approval,
)

SECTIONS: dict[str, str] = dict(module.SECTION for module in _MODULES)
RULES: dict[str, Rule] = {rule.name: rule for module in _MODULES for rule in module.RULES}
