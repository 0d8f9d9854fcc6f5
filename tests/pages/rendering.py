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
            {**dict(zip(RUN_KEYS, row, strict=True)), "at": now - timedelta(minutes=2**at)}
            for at, row in enumerate(RUNS)
        ],
    }


def gallery_context() -> dict[str, Any]:
    """Something for every component."""
    now = timezone.now()
    lines = [("debug", "asked for page 1"), ("info", "read 500 records"), ("warning", "waited 2 s"), ("error", "HTTP 429")]
    x = list(range(1_790_000_000, 1_790_036_000, 1800))
    return {
        "now": now,
        "diff": [("id = id", "id = id"), ("total = CAST(total AS DOUBLE)", "total = CAST(total AS DECIMAL(12, 2))"), (None, "paid = paid_at IS NOT NULL")],
        "states": [("failed", "Failed"), ("succeeded", "Succeeded")],
        "lines": [{"at": now, "level": level, "message": message} for level, message in lines],
        "stacked": {
            "x": x,
            "stacked": True,
            "series": [
                {"label": "Succeeded", "tone": "ok", "values": [20 + at % 5 for at in range(len(x))]},
                {"label": "Failed", "tone": "bad", "values": [at % 3 for at in range(len(x))]},
            ],
        },
    }


CONNECTORS = [
    ("SAP S/4HANA", "ok", "healthy", "212 ms", 38),
    ("Salesforce", "ok", "healthy", "340 ms", 44),
    ("Stripe", "warn", "rate limited", "1.2 s", 71),
    ("Workday", "warn", "degraded", "2.9 s", 88),
    ("SFTP · acme", "ok", "healthy", "88 ms", 21),
    ("Zendesk", "bad", "circuit open", "–", 0),
]
RUN_KEYS = ("id", "integration", "flow", "state", "word", "progress", "duration", "trigger")
RUNS = [
    ("0199f7a2-7c1e-7d40-8a57-7f3a910000c1", "orders-to-erp", "Shopify → SAP", "running", "", 64, "12 s", "schedule"),
    ("0199f7a2-7c1e-7d40-8a57-7f3a900000c2", "crm-contacts", "Salesforce → Postgres", "succeeded", "", "1 204 records", "41 s", "webhook"),
    ("0199f7a2-7c1e-7d40-8a57-7f3a8f0000c3", "billing-export", "Stripe → S3", "failed", "", "HTTP 429", "3.2 s", "schedule"),
    ("0199f7a2-7c1e-7d40-8a57-7f3a8e0000c4", "hr-sync", "Workday → LDAP", "warning", "retrying", "try 3 of 5", "2 min 10 s", "manual"),
    ("0199f7a2-7c1e-7d40-8a57-7f3a8d0000c5", "inventory-pull", "SFTP → BigQuery", "succeeded", "", "88 120 records", "3 min 54 s", "schedule"),
    ("0199f7a2-7c1e-7d40-8a57-7f3a8c0000c6", "tickets", "Zendesk → Slack", "queued", "", "–", "–", "event"),
    ("0199f7a2-7c1e-7d40-8a57-7f3a8b0000c7", "orders-to-erp", "Shopify → SAP", "succeeded", "", "342 records", "38 s", "schedule"),
    ("0199f7a2-7c1e-7d40-8a57-7f3a8a0000c8", "payroll", "Workday → ADP", "held", "", "awaits approval", "–", "promotion"),
]
