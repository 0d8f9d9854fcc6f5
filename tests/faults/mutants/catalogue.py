"""All seeded defects."""

from __future__ import annotations

from tests.faults.mutants import claiming, moving, sending

SEEDS = (*claiming.SEEDS, *moving.SEEDS, *sending.SEEDS)
