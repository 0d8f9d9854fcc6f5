"""What a changed policy would have made different in runs that were: from plain facts, honest about what they lack.

A finding is about one rule. It names the runs that would have gone otherwise and says how; or, where what was stored
cannot tell, it says so and why. Nothing here guesses: a run that would have been tried again may have failed again.
"""

from integrations.domain.simulation.facts import Difference, Finding, RunFacts, Subject
from integrations.domain.simulation.simulate import WINDOW_DAYS, simulate

__all__ = ["WINDOW_DAYS", "Difference", "Finding", "RunFacts", "Subject", "simulate"]
