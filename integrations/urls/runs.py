"""Addresses of the overview, of runs and of dead letters."""

from django.urls import URLPattern, path

from integrations.views import (
    dead_letters,
    dead_letters_actions,
    dead_letters_correct,
    dead_letters_detail,
    dead_letters_edit,
    dead_letters_trial,
    overview,
    uncertain,
)
from integrations.views import runs as lists
from integrations.views import runs_actions as actions
from integrations.views import runs_detail as detail
from integrations.views import runs_partitions as partitions
from integrations.views import runs_parts as parts

HOME = "w/<slug:workspace>/"
RUNS = HOME + "runs/"
RUN = RUNS + "<uuid:run_id>/"
UNCERTAIN = HOME + "uncertain-batches/"
LETTERS = HOME + "dead-letters/"

urlpatterns: list[URLPattern] = [
    path(HOME, overview.overview, name="overview"),
    path(HOME + "curve/", overview.overview_curve, name="overview-curve"),
    path(RUNS, lists.run_list, name="run-list"),
    path(RUNS + "start/", actions.run_start, name="run-start"),
    path(RUN, detail.run_detail, name="run-detail"),
    path(RUN + "curve/", detail.run_curve, name="run-curve"),
    path(RUN + "batches/", parts.run_batches, name="run-batches"),
    path(RUN + "partitions/", partitions.run_partitions, name="run-partitions"),
    path(RUN + "log/", parts.run_log, name="run-log"),
    path(RUN + "cancel/", actions.run_cancel, name="run-cancel"),
    path(RUN + "pause/", actions.run_pause, name="run-pause"),
    path(RUN + "resume/", actions.run_resume, name="run-resume"),
    path(RUN + "continue/", actions.run_continue, name="run-continue"),
    path(UNCERTAIN, uncertain.uncertain_list, name="uncertain-list"),
    path(UNCERTAIN + "<uuid:uncertain_id>/", uncertain.uncertain_resolve, name="uncertain-resolve"),
    path(LETTERS, dead_letters.dead_letter_list, name="dead-letter-list"),
    path(LETTERS + "redrive/", dead_letters_actions.redrive, name="dead-letter-redrive"),
    path(LETTERS + "discard/", dead_letters_actions.discard, name="dead-letter-discard"),
    path(LETTERS + "correct/", dead_letters_correct.dead_letter_correct, name="dead-letter-correct"),
    path(LETTERS + "try/", dead_letters_trial.trial, name="dead-letter-trial"),
    path(LETTERS + "<uuid:letter_id>/edit/", dead_letters_edit.dead_letter_edit, name="dead-letter-edit"),
    path(LETTERS + "<uuid:letter_id>/try/", dead_letters_edit.dead_letter_try, name="dead-letter-try"),
    path(LETTERS + "<uuid:letter_id>/", dead_letters_detail.dead_letter_detail, name="dead-letter-detail"),
]
