"""What a run does when the columns of its source have changed."""

from __future__ import annotations

from integrations.domain.policy.rule import ChoiceRule, ReadFrom, Rule, Tighter

SECTION = ("drift", "Schema changes")
_NOTE, _STOP = ("ignore", "note it"), ("stop", "stop the run")
RULES: tuple[Rule, ...] = (
    ChoiceRule(
        name="drift.added",
        label="A new column",
        help="Noted for review in any case. “Add it” makes a version that maps it, and widens the destination.",
        default="ignore",
        choices=(_NOTE, ("add", "add it"), _STOP),
        tighter=Tighter.HIGHER,
        read_from=ReadFrom.SOURCE,
    ),
    ChoiceRule(
        name="drift.dropped",
        label="A column that is gone",
        help="Noted for review in any case. Only a column that the mapping reads stops a run.",
        default="stop",
        choices=(_NOTE, _STOP),
        tighter=Tighter.HIGHER,
        read_from=ReadFrom.SOURCE,
    ),
    ChoiceRule(
        name="drift.retyped",
        label="A column of another type",
        help="Noted for review in any case. Only a column that the mapping reads stops a run.",
        default="stop",
        choices=(_NOTE, _STOP),
        tighter=Tighter.HIGHER,
        read_from=ReadFrom.SOURCE,
    ),
    ChoiceRule(
        name="drift.out_of_range",
        label="Values that no longer fit",
        help="A field sets records aside that it never did before. They are dead letters in any case.",
        default="ignore",
        choices=(_NOTE, _STOP),
        tighter=Tighter.HIGHER,
    ),
)
