"""Loads the demo workspace: three integrations that move real bytes, made through the same services as everybody's."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction

from accounts.models import User, Workspace
from accounts.request_context import acting_as
from accounts.services import tokens, workspaces
from integrations.demo import shop
from integrations.domain.lifecycle import Trigger
from integrations.domain.schedule import ScheduleKind, Timetable
from integrations.models import Connector, Credential, Integration
from integrations.models.integration import ReadMode
from integrations.services.connectors import ConnectorInput, file_root_of, save_connector
from integrations.services.credentials import create_credential
from integrations.services.integrations import Flow, create_integration
from integrations.services.policies import save_policy
from integrations.services.runs import start_run
from integrations.services.schedules import set_schedule

SLUG = "demo"
STOCK_ROWS = 12_000
# One line in so many is bad; together well under the tolerance of the policy.
BAD_COUNT_EVERY, BAD_DATE_EVERY = 800, 1_700


@dataclass(frozen=True)
class Connectors:
    """What the demo's integrations read and write."""

    shop: Connector
    inbox: Connector
    itself: Connector
    warehouse: Connector


def load_demo() -> Workspace | None:
    """Make the workspace for the first person there is; None where it exists or nobody does."""
    owner = User.objects.order_by("id").first()
    if owner is None or Workspace.objects.filter(slug=SLUG).exists():
        return None
    with acting_as(owner), transaction.atomic():
        workspace = workspaces.create(name="Demo", slug=SLUG, owner=owner, is_demo=True)
        write_stock_file(file_root_of(workspace) / "inbox")
        save_policy(
            workspace=workspace,
            policy=None,
            name="House rules",
            description="What holds for every connector of this workspace.",
            rules={"retry.attempts": 8, "retry.longest_delay_seconds": 60, "tolerance.set_aside_percent": 5},
            is_default=True,
        )
        connectors = _connectors(workspace, owner)
        integrations = [
            _orders(workspace, owner, connectors),
            _stock(workspace, owner, connectors),
            _own_runs(workspace, owner, connectors),
        ]
        for integration in integrations[:2]:
            start_run(deployment=integration.deployments.get(), trigger=Trigger.MANUAL, user=owner)
    return workspace


def write_stock_file(folder: Path) -> None:
    """A stock count as a till writes it, with the mistakes that people make."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stock-count.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "shelf", "counted", "counted_on", "counted_by"])
        for number in range(1, STOCK_ROWS + 1):
            counted = "about a dozen" if number % BAD_COUNT_EVERY == 0 else str(number * 7 % 240)
            day = "31/02/2026" if number % BAD_DATE_EVERY == 0 else f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}"
            shelf = f"{'ABCDEF'[number % 6]}-{number % 40:02d}"
            writer.writerow([f"P-{number:05d}", shelf, counted, day, f"till {number % 9 + 1}"])


def _connectors(workspace: Workspace, owner: User) -> Connectors:
    shop_token = _bearer(workspace, owner, "Shop token", settings.SANDBOX_TOKEN)
    own_token = tokens.create(
        workspace=workspace, creator=owner, name="Demo: reads its own runs", scopes=["run.read"], days=tokens.MAX_DAYS
    )
    api_token = _bearer(workspace, owner, "Signalbox token", own_token.text)
    shop_address = f"http://127.0.0.1:{settings.SANDBOX_PORT}"
    own_address = f"http://127.0.0.1:{settings.PORT}/api/v1/workspaces/{SLUG}"

    def connector(name: str, plugin: str, values: dict[str, object], credential: Credential | None = None) -> Connector:
        given = ConnectorInput(name=name, plugin=plugin, settings=values, credential=credential)
        return save_connector(workspace=workspace, connector=None, given=given)

    return Connectors(
        shop=connector("Sandbox shop", "rest_api", shop.settings_for(shop_address), shop_token),
        inbox=connector("Stock inbox", "files", {"format": "csv", "path": "inbox", "pattern": "*.csv"}),
        itself=connector("This Signalbox", "rest_api", _own_settings(own_address), api_token),
        warehouse=connector("Warehouse", "sqlite", {"path": "warehouse.sqlite3", "create_file": True}),
    )


def _own_settings(address: str) -> dict[str, object]:
    runs = {
        "name": "runs",
        "path": "/runs/",
        "record_path": "results",
        "primary_key": ["id"],
        "params": {"page_size": "200"},
        "paging": {"paging": "next_url", "next_path": "next"},
    }
    return {"base_url": address, "streams": [runs]}


def _bearer(workspace: Workspace, owner: User, name: str, token: str) -> Credential:
    return create_credential(workspace=workspace, name=name, kind="bearer", values={"token": token}, user=owner)


def _fields(*rules: tuple[str, str, str]) -> list[dict[str, object]]:
    """Rules as (target, expression, type); a `!` behind the type asks for a value."""
    return [
        {"target": target, "expression": expression, "type": kind.rstrip("!"), "required": kind.endswith("!")}
        for target, expression, kind in rules
    ]


def _orders(workspace: Workspace, owner: User, connectors: Connectors) -> Integration:
    fields = _fields(
        ("id", "id", "integer!"),
        ("number", "number", "text!"),
        ("customer_id", "customer_id", "integer"),
        ("status", "upper(status)", "text"),
        ("amount", "amount", "decimal(12,2)!"),
        ("currency", "currency", "text"),
        ("city", "ship_to ->> '$.city'", "text"),
        ("country", "ship_to ->> '$.country'", "text"),
        ("is_gift", "note IS NOT NULL", "boolean"),
        ("created_at", "created_at", "timestamp"),
        ("updated_at", "updated_at", "timestamp!"),
    )
    flow = Flow(
        source=connectors.shop,
        source_stream="orders",
        read_mode=ReadMode.INCREMENTAL,
        cursor_field="updated_at",
        primary_key=("id",),
        destination=connectors.warehouse,
        destination_stream="orders",
        key=("id",),
        mapping={"fields": fields, "filter": "currency = 'EUR'"},
        note="First version",
    )
    integration = create_integration(
        workspace=workspace,
        name="orders-to-warehouse",
        description="New and changed orders of the shop, every 20 seconds.",
        flow=flow,
        user=owner,
    )
    set_schedule(deployment=integration.deployments.get(), timetable=Timetable(ScheduleKind.INTERVAL, every_seconds=20))
    return integration


def _stock(workspace: Workspace, owner: User, connectors: Connectors) -> Integration:
    fields = _fields(
        ("sku", "sku", "text!"),
        ("shelf", "shelf", "text"),
        ("aisle", "left(shelf, 1)", "text"),
        ("counted", "counted", "integer!"),
        ("counted_on", "counted_on", "date!"),
        ("counted_by", "counted_by", "text"),
    )
    flow = Flow(
        source=connectors.inbox,
        source_stream="stock-count.csv",
        destination=connectors.warehouse,
        destination_stream="stock",
        key=("sku",),
        mapping={"fields": fields, "filter": ""},
        note="First version",
    )
    integration = create_integration(
        workspace=workspace,
        name="stock-count",
        description="The stock count from the tills. Some lines are wrong: they wait in the dead letters.",
        flow=flow,
        user=owner,
    )
    hourly = Timetable(ScheduleKind.CRON, cron="15 * * * *", time_zone="Europe/Vienna")
    set_schedule(deployment=integration.deployments.get(), timetable=hourly)
    return integration


def _own_runs(workspace: Workspace, owner: User, connectors: Connectors) -> Integration:
    fields = _fields(
        ("id", "id", "text!"),
        ("integration", "integration", "text"),
        ("state", "state", "text!"),
        ("trigger", "trigger", "text"),
        ("read", "read", "integer"),
        ("written", "written", "integer"),
        ("set_aside", "set_aside", "integer"),
        ("queued_at", "created_at", "timestamp"),
    )
    flow = Flow(
        source=connectors.itself,
        source_stream="runs",
        destination=connectors.warehouse,
        destination_stream="signalbox_runs",
        key=("id",),
        mapping={"fields": fields, "filter": "state IN ('succeeded', 'failed', 'cancelled')"},
        note="First version",
    )
    integration = create_integration(
        workspace=workspace,
        name="own-runs",
        description="Signalbox reads its own API: every ended run, page by page.",
        flow=flow,
        user=owner,
    )
    set_schedule(
        deployment=integration.deployments.get(), timetable=Timetable(ScheduleKind.INTERVAL, every_seconds=120)
    )
    return integration
