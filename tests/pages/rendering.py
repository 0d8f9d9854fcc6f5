"""Renders sample pages with the product's own templates, frame and components, without a database."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.test import RequestFactory, override_settings
from django.urls import resolve
from django.utils import timezone

from accounts.models import User, Workspace

FOLDER = Path(__file__).parent / "templates"
TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [*settings.TEMPLATES[0]["DIRS"], FOLDER]}]


def render_sample(name: str, address: str = "/w/acme/", **context: Any) -> str:
    """A sample page of tests/pages/templates as a signed-in owner of the workspace Acme sees it."""
    with override_settings(TEMPLATES=TEMPLATES, ROOT_URLCONF="tests.pages.urls"):
        request = RequestFactory().get(address)
        request.resolver_match = resolve(request.path)
        shown = {
            "request": request,
            "workspace": Workspace(slug="acme", name="Acme"),
            "user": User(email="ada@example.org", name="Ada Byron"),
            "can": defaultdict(lambda: True),
            "engine": "embedded · SQLite",
            "live_cursor": "0",
            **context,
        }
        return render_to_string(name, shown)


def overview_context() -> dict[str, Any]:
    """Plausible figures of a busy day."""
    now = timezone.now()
    x = [int(now.timestamp()) // 900 * 900 - 900 * (95 - at) for at in range(96)]
    good = [int(130 + 48 * math.sin(at / 11) + 9 * math.sin(at / 1.7) + at * 37 % 7) for at in range(96)]
    bad = [(at * 13 % 5) + (18 if 62 <= at <= 68 else 0) for at in range(96)]
    return {
        "spark": [(at * 29 % 17) + 4 for at in range(20)],
        "chart": {
            "x": x,
            "unit": "runs",
            "marks": [{"x": x[40], "label": "orders-to-erp v4", "tone": "held"}],
            "series": [
                {"label": "Succeeded", "tone": "ok", "values": good},
                {"label": "Failed", "tone": "bad", "values": bad},
            ],
        },
        "connectors": CONNECTORS,
        "runs": [
            dict(zip(RUN_KEYS, row, strict=True)) | {"id": f"{RUN_ID}{at:02d}", "at": now - timedelta(minutes=2**at)}
            for at, row in enumerate(RUNS)
        ],
    }


def gallery_context() -> dict[str, Any]:
    """Something for every component."""
    now = timezone.now()
    x = list(range(1_790_000_000, 1_790_036_000, 1800))
    return {
        "now": now,
        "diff": DIFFERENCE,
        "states": [("failed", "Failed"), ("succeeded", "Succeeded")],
        "lines": [{"at": now, "level": level, "message": message} for level, message in LINES],
        "stacked": {
            "x": x,
            "stacked": True,
            "series": [
                {"label": "Succeeded", "tone": "ok", "values": [20 + at % 5 for at in range(len(x))]},
                {"label": "Failed", "tone": "bad", "values": [at % 3 for at in range(len(x))]},
            ],
        },
    }


RUN_ID = "0199f7a2-7c1e-7d40-8a57-7f3a910000"
NONE = "\N{EN DASH}"
CONNECTORS = [
    ("SAP S/4HANA", "ok", "healthy", "212 ms"),
    ("Salesforce", "ok", "healthy", "340 ms"),
    ("Stripe", "warn", "rate limited", "1.2 s"),
    ("Workday", "warn", "degraded", "2.9 s"),
    ("SFTP · acme", "ok", "healthy", "88 ms"),
    ("Zendesk", "bad", "circuit open", NONE),
]
RUN_KEYS = ("integration", "flow", "state", "word", "progress", "duration", "trigger")
RUNS = [
    ("orders-to-erp", "Shopify → SAP", "running", "", 64, "12 s", "schedule"),
    ("crm-contacts", "Salesforce → Postgres", "succeeded", "", "1 204 records", "41 s", "webhook"),
    ("billing-export", "Stripe → S3", "failed", "", "HTTP 429", "3.2 s", "schedule"),
    ("hr-sync", "Workday → LDAP", "warning", "retrying", "try 3 of 5", "2 min 10 s", "manual"),
    ("inventory-pull", "SFTP → BigQuery", "succeeded", "", "88 120 records", "3 min 54 s", "schedule"),
    ("tickets", "Zendesk → Slack", "queued", "", NONE, NONE, "event"),
    ("orders-to-erp", "Shopify → SAP", "succeeded", "", "342 records", "38 s", "schedule"),
    ("payroll", "Workday → ADP", "held", "", "awaits approval", NONE, "promotion"),
]
LINES = [("debug", "asked for page 1"), ("info", "read 500 records"), ("warning", "waited 2 s"), ("error", "HTTP 429")]
DIFFERENCE = [
    ("id = id", "id = id"),
    ("total = CAST(total AS DOUBLE)", "total = CAST(total AS DECIMAL(12, 2))"),
    (None, "paid = paid_at IS NOT NULL"),
]
