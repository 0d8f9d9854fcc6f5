"""The listed connector, cut into ranges of its rows; and a worker that works whatever is due."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import pyarrow as pa

from integrations.connectors.base import Batch, Cut, Partition, PluginSpec, ReadRequest
from integrations.services.execution import work_slice
from integrations.services.picking import claim_next
from tests.runs.listed import SCHEMA, Listed

# A test's cuts fail by these, one after the other.
fail_cut: list[BaseException] = []


class Split(Listed):
    """Reads ranges of the world's rows, and takes several writers at once."""

    spec: ClassVar[PluginSpec] = replace(Listed.spec, parallel_writes=True)

    def partitions(self, request: ReadRequest, cut: Cut) -> Sequence[Partition]:  # noqa: ARG002 - there is one stream
        if fail_cut:
            raise fail_cut.pop(0)
        size = len(self.world.rows)
        edges = [size * number // cut.most for number in range(cut.most + 1)]
        pairs = enumerate(pairwise(edges), start=1)
        return [Partition(str(n), f"rows {a} to {b}", {"from": a, "to": b}) for n, (a, b) in pairs]

    def read(self, request: ReadRequest) -> Iterator[Batch]:
        world = self.world
        spec = request.partition.spec if request.partition else {"from": 0, "to": len(world.rows)}
        start, stop = request.cursor["row"] if request.cursor else spec["from"], spec["to"]
        world.reads.append(start)
        for row in range(start, stop, world.batch_records):
            if world.fail_read_after and row == world.fail_read_after[0][0]:
                raise world.fail_read_after.pop(0)[1]
            end = min(row + world.batch_records, stop)
            records = pa.RecordBatch.from_pylist(world.rows[row:end], schema=SCHEMA)
            yield Batch(records, {"row": end}, progress=(end - spec["from"]) / (stop - spec["from"]))


def work_all(*, draining: bool = False, at_most: int = 60) -> int:
    """Work slices until nothing is due; return how many."""
    for worked in range(at_most):
        claim = claim_next(worker="test")
        if claim is None:
            return worked
        work_slice(claim, lambda: draining)
    return at_most
