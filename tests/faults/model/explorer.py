"""Visits every state that a protocol can reach, and says which properties break where and whether each state can end.

A state is the world (what the databases hold) and the three workers. Workers are alike, so a state counts once whatever
their order; and a worker's step depends on the world and on itself alone, so each such pair is worked out only once.
What is left for a state is arithmetic on one integer: the world's number and the workers' numbers side by side.
"""

from __future__ import annotations

import gc
import sys
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

World = TypeVar("World")
Worker = TypeVar("Worker")

WORKERS = 3
BITS = 14
MASK = (1 << BITS) - 1


@dataclass(frozen=True)
class Step(Generic[World, Worker]):
    """One atomic step of a worker: what it is called, and the world and the worker after it."""

    name: str
    world: World
    worker: Worker
    is_fault: bool = False
    breach: str = ""


@dataclass(frozen=True)
class Protocol(Generic[World, Worker]):
    """A protocol as the explorer needs it. `nature` is what happens by itself or by people's hands."""

    world: World
    worker: Worker
    steps: Callable[[World, Worker], Iterable[Step[World, Worker]]]
    nature: Callable[[World], Iterable[tuple[str, World]]]
    breaches: Callable[[World], Iterable[str]]
    has_ended: Callable[[World], bool]


@dataclass
class Report:
    """What was seen: how many states, and the shortest way to each kind of breach."""

    states: int = 0
    breaches: dict[str, list[str]] = field(default_factory=dict)


class Move(NamedTuple):
    """A step in numbers; `shifted` is the world's number where a state has it."""

    name: str
    shifted: int
    worker: int
    is_fault: bool
    breach: str


class Numbers(Generic[World]):
    """Gives each value a number, in the order of their coming."""

    def __init__(self) -> None:
        self.values: list[World] = []
        self._known: dict[World, int] = {}

    def of(self, value: World) -> int:
        number = self._known.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


class Explorer(Generic[World, Worker]):
    """One search, breadth first, so that the first way to a breach is a shortest one."""

    def __init__(self, protocol: Protocol[World, Worker], until: str = "") -> None:
        self._protocol = protocol
        self._until = until
        self._worlds: Numbers[World] = Numbers()
        self._workers: Numbers[Worker] = Numbers()
        self._moves: dict[int, list[Move]] = {}
        self._natural: dict[int, list[tuple[str, int]]] = {}
        self._wrong: dict[int, tuple[str, ...]] = {}
        self._order: dict[int, int] = {}
        self._parents = array("I")
        self._progress_from, self._progress_to = array("I"), array("I")
        self._found: dict[str, tuple[int, str]] = {}

    def run(self) -> Report:
        """Visit all states, or stop at the breach that is looked for."""
        first = self._worlds.of(self._protocol.world) << 3 * BITS
        worker = self._workers.of(self._protocol.worker)
        self._order[first | worker << 2 * BITS | worker << BITS | worker] = 0
        self._parents.append(0)
        level = list(self._order)
        while level and self._until not in self._found:
            level = self._next_level(level)
        if self._until not in self._found:
            self._look_for_stuck()
        return Report(len(self._order), {kind: self._way_to(*where) for kind, where in self._found.items()})

    def _next_level(self, level: list[int]) -> list[int]:
        """Visit the states of one distance; return those that nobody has seen."""
        order, parents, seen = self._order, self._parents, []
        progress_from, progress_to = self._progress_from, self._progress_to
        for state in level:
            here = order[state]
            for is_fault, following in self._following(state, here):
                there = order.setdefault(following, len(parents))
                if there == len(parents):
                    parents.append(here)
                    seen.append(following)
                if not is_fault:
                    progress_from.append(here)
                    progress_to.append(there)
        return seen

    def _following(self, state: int, here: int) -> list[tuple[bool, int]]:
        """Return the states after this one: a step of one worker, or of nature."""
        number, a, b, c = state >> 3 * BITS, state >> 2 * BITS & MASK, state >> BITS & MASK, state & MASK
        for breach in self._breaches_of(number):
            self._found.setdefault(breach, (here, ""))
        turns = [(a, b, c)]
        if b != a:
            turns.append((b, a, c))
        if c != b:
            turns.append((c, a, b))
        after = []
        for own, low, high in turns:
            moves = self._moves.get(number << BITS | own)
            for name, shifted, moved, is_fault, breach in self._work_out(number, own) if moves is None else moves:
                if breach and breach not in self._found:
                    self._found[breach] = (here, name)
                if moved <= low:
                    after.append((is_fault, shifted | moved << 2 * BITS | low << BITS | high))
                elif moved <= high:
                    after.append((is_fault, shifted | low << 2 * BITS | moved << BITS | high))
                else:
                    after.append((is_fault, shifted | low << 2 * BITS | high << BITS | moved))
        after += [(False, shifted | state & (1 << 3 * BITS) - 1) for _, shifted in self._nature_of(number)]
        return after

    def _work_out(self, number: int, own: int) -> list[Move]:
        """Ask the protocol for a worker's steps, once for each world and worker."""
        moves = [
            Move(step.name, self._worlds.of(step.world) << 3 * BITS, self._workers.of(step.worker), step.is_fault,
                 step.breach)
            for step in self._protocol.steps(self._worlds.values[number], self._workers.values[own])
        ]  # fmt: skip
        if len(self._workers.values) > MASK:
            raise OverflowError("more kinds of worker than a state has room for")
        return self._moves.setdefault(number << BITS | own, moves)

    def _nature_of(self, number: int) -> list[tuple[str, int]]:
        if number not in self._natural:
            after = self._protocol.nature(self._worlds.values[number])
            self._natural[number] = [(name, self._worlds.of(world) << 3 * BITS) for name, world in after]
        return self._natural[number]

    def _breaches_of(self, number: int) -> tuple[str, ...]:
        if number not in self._wrong:
            self._wrong[number] = tuple(self._protocol.breaches(self._worlds.values[number]))
        return self._wrong[number]

    def _look_for_stuck(self) -> None:
        """Find a state from which no end can be reached without another fault."""
        has_ended = [self._protocol.has_ended(world) for world in self._worlds.values]
        can_end = bytearray(has_ended[state >> 3 * BITS] for state in self._order)
        changed = True
        while changed:
            changed = False
            for here, there in zip(reversed(self._progress_from), reversed(self._progress_to), strict=True):
                if can_end[there] and not can_end[here]:
                    can_end[here] = changed = True
        stuck = can_end.find(0)
        if stuck >= 0:
            self._found["stuck"] = (stuck, "")

    def _way_to(self, place: int, last: str) -> list[str]:
        """Tell the steps from the beginning to a state, by name."""
        states = list(self._order)
        names = [last] if last else []
        while place:
            before = self._parents[place]
            names.append(self._name_between(states[before], states[place]))
            place = before
        return names[::-1]

    def _name_between(self, state: int, following: int) -> str:
        number, owns = state >> 3 * BITS, sorted(state >> shift & MASK for shift in (0, BITS, 2 * BITS))
        for place, own in enumerate(owns):
            others = owns[:place] + owns[place + 1 :]
            for move in self._moves[number << BITS | own]:
                x, y, z = sorted([*others, move.worker])
                if move.shifted | x << 2 * BITS | y << BITS | z == following:
                    return move.name
        after = following >> 3 * BITS << 3 * BITS
        return next(name for name, shifted in self._natural[number] if shifted == after)


def explore(protocol: Protocol[World, Worker], until: str = "") -> Report:
    """Visit every reachable state; with `until`, stop when that breach is found."""
    # Millions of values and no cycle among them: the collector would only walk them, again and again. And where lines
    # are counted for coverage, each of these would be told to a tracer that has no interest in it.
    tracer = sys.gettrace()
    sys.settrace(None)
    gc.disable()
    try:
        return Explorer(protocol, until).run()
    finally:
        gc.enable()
        sys.settrace(tracer)
