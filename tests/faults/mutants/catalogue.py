"""All seeded defects."""

from __future__ import annotations

from tests.faults.mutants import claiming, lasting, moving, sending

SEEDS = (*claiming.SEEDS, *lasting.SEEDS, *moving.SEEDS, *sending.SEEDS)
