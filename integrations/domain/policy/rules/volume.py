"""When so many or so few records were read that a success would be no news to trust; full reads alone are judged."""

from __future__ import annotations

from integrations.domain.policy.rule import ChoiceRule, NumberRule, ReadFrom, Rule, Tighter

SECTION = ("volume", "Volume")
_ANSWERS = (("ignore", "take it"), ("warn", "warn"), ("fail", "fail the run"))
RULES: tuple[Rule, ...] = (
    ChoiceRule(
        name="volume.zero",
        label="No record at all",
        help="Where every earlier run of the version had some.",
        default="fail",
        choices=_ANSWERS,
        tighter=Tighter.HIGHER,
        read_from=ReadFrom.SOURCE,
    ),
    ChoiceRule(
        name="volume.unusual",
        label="Far from the usual",
        help="What becomes of a run whose volume is far from the median of the last runs.",
        default="warn",
        choices=_ANSWERS,
        tighter=Tighter.HIGHER,
        read_from=ReadFrom.SOURCE,
        acts_with=("volume.drop_percent", "volume.rise_percent"),
    ),
    NumberRule(
        name="volume.drop_percent",
        label="Far less is",
        help="So much below the median of the last 20 successful runs of the version, where there are 5.",
        default=90,
        minimum=0,
        maximum=100,
        unit="%",
        zero="not judged",
        read_from=ReadFrom.SOURCE,
    ),
    NumberRule(
        name="volume.rise_percent",
        label="Far more is",
        help="So much above that median.",
        default=900,
        minimum=0,
        maximum=100_000,
        unit="%",
        zero="not judged",
        read_from=ReadFrom.SOURCE,
    ),
    ChoiceRule(
        name="volume.regressed",
        label="A cursor that goes backwards",
        help="The newest record of an incremental source is older than one that was read before: it was reset or cut.",
        default="fail",
        choices=(("ignore", "take it"), ("fail", "fail the run")),
        tighter=Tighter.HIGHER,
        read_from=ReadFrom.SOURCE,
    ),
)
