"""`manage.py sandbox`: serves the sandbox shop, an API to try integrations on."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.declarations import shell_command
from integrations.demo.shop import Shop


@shell_command("it serves made-up records and reads nothing of this product")
class Command(BaseCommand):
    """Serves until TERM."""

    help = "Serve the sandbox shop, a small API with paging, limits, bad records and faults."
    requires_system_checks: list[str] = []  # it uses nothing of Django's but the command line

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen and which token to ask for."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.SANDBOX_PORT)
        parser.add_argument("--token", default=settings.SANDBOX_TOKEN, help="default: SIGNALBOX_SANDBOX_TOKEN")
        parser.add_argument(
            "--calm", action="store_true", help="leave out the rate limit, the errors and the slow answers"
        )

    def handle(self, *_: Any, **options: Any) -> None:  # Django's own signature
        """Serve in this process."""
        if not options["token"]:
            raise CommandError("The sandbox needs a token: give --token or set SIGNALBOX_SANDBOX_TOKEN.")
        shop = Shop(options["token"], has_faults=not options["calm"])
        uvicorn.run(shop, host=options["host"], port=options["port"], log_config=None, access_log=False, lifespan="off")
