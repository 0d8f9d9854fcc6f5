"""`manage.py audit verify`: proves the audit log against its signatures and what was written down outside."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.declarations import shell_command
from accounts.models import Workspace
from accounts.services.audit_anchors import Anchors, parse
from accounts.services.audit_verify import Verdict, verify


@shell_command("reads the whole log with the master key; whoever has a shell on the host can do that")
class Command(BaseCommand):
    """Reads, and writes nothing."""

    help = "Verify the audit log: numbers, order, signatures, anchors. Ends with 1 where something does not fit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to verify, against which anchors."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbing = verbs.add_parser("verify", help="go along every chain")
        verbing.add_argument("--workspace", help="only this one, by its address as in /w/<address>/")
        verbing.add_argument("--anchors", help="a file of anchors (default: the one that SIGNALBOX_AUDIT_ANCHOR names)")
        verbing.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *_: Any, **options: Any) -> None:  # Django's own signature
        """Verify, say what was found, and end with 1 where that is anything."""
        began = time.monotonic()
        anchors = self._anchors(options["anchors"])
        only = self._workspace(options["workspace"])
        wanted = anchors.good if only is None else [a for a in anchors.good if a.scope == str(only.pk)]
        verdict = verify(wanted, None if only is None else only.pk)
        verdict.findings[:0] = [anchors.finding] if anchors.finding else []
        self._tell(verdict, time.monotonic() - began, as_json=options["json"])
        if verdict.findings:
            sys.exit(1)

    def _anchors(self, given: str | None) -> Anchors:
        kind, _, configured = settings.AUDIT_ANCHOR.partition(":")
        path = Path(given) if given else Path(configured)
        if not given and (kind != "file" or not path.exists()):
            return Anchors([], None)
        try:
            with path.open(encoding="utf-8", errors="replace") as lines:
                return parse(lines)
        except OSError as error:
            raise CommandError(f"The anchors cannot be read: {error}", returncode=2) from error

    def _workspace(self, slug: str | None) -> Workspace | None:
        if slug is None:
            return None
        found = Workspace.objects.filter(slug=slug).first()
        if found is None:
            raise CommandError(f"There is no workspace {slug!r}.", returncode=2)
        return found

    def _tell(self, verdict: Verdict, seconds: float, *, as_json: bool) -> None:
        rate = round(verdict.entries / seconds) if seconds else 0
        if as_json:
            line = {
                **asdict(verdict),
                "ok": not verdict.findings,
                "seconds": round(seconds, 2),
                "rows_per_second": rate,
            }
            self.stdout.write(json.dumps(line))
            return
        for finding in verdict.findings:
            self.stdout.write(f"{finding.scope}, entry {finding.seq}: {finding.kind}. {finding.words}")
        against = f"{verdict.anchors} anchors" if verdict.anchors else "no anchors: a cut end would not show"
        verdict_word = "Something does not fit" if verdict.findings else "Everything fits"
        self.stdout.write(f"{verdict_word}: {verdict.entries} entries in {verdict.scopes} chains, against {against}.")
