"""The doors through which a connector's address comes to be used: pages, API and runs, for both plugins."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.test import Client
from rest_framework.test import APIClient

from accounts.request_context import Actor, acting_as
from integrations.domain.lifecycle import Trigger
from integrations.models import Connector, Credential, Deployment
from integrations.services import integrations, runs
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.credentials import create_credential
from integrations.services.execution import execute_slice
from tests.world import World, build_world, signed_in

Settings = dict[str, Any]
HTMX = {"HX-Request": "true"}
MAPPING = {"fields": [{"target": "id", "expression": "id", "type": "integer", "required": True}], "filter": ""}
GOOD: dict[str, Settings] = {
    "rest_api": {"base_url": "http://public.example:8080", "streams": [{"name": "items", "path": "/items"}]},
    "postgres": {"host": "public.example", "port": 5433, "database": "app"},
}


@dataclass
class House:
    """A workspace with a connector, a credential and a deployment for each plugin, and somebody at each door."""

    world: World
    browser: Client
    api: APIClient
    credentials: dict[str, Credential]
    connectors: dict[str, Connector]
    deployments: dict[str, Deployment]

    @classmethod
    def build(cls) -> House:
        world = build_world()
        with acting_as(Actor(user=world.owner)):
            login = {"username": "reader", "password": "not-a-secret"}
            basic = create_credential(
                workspace=world.workspace, name="login", kind="basic", values=login, user=world.owner
            )
            made = {plugin: _connector(world, plugin, basic) for plugin in GOOD}
            out = ConnectorInput("out", "files", {"format": "csv"})
            target = save_connector(workspace=world.workspace, connector=None, given=out)
            deployments = {plugin: _deployment(world, source, target) for plugin, source in made.items()}
        # A token may neither choose a credential nor see samples; somebody who is signed in may, over the API, too.
        client = APIClient(raise_request_exception=False)
        client.force_login(world.owner)
        return cls(world, signed_in(world.owner), client, dict.fromkeys(GOOD, basic), made, deployments)

    def store(self, plugin: str, settings: Settings) -> Connector:
        """What an older release, an import or a hand in the database may have left."""
        Connector.objects.filter(pk=self.connectors[plugin].pk).update(settings=settings)
        return Connector.objects.get(pk=self.connectors[plugin].pk)

    def url(self, plugin: str, rest: str) -> str:
        return self.world.url(f"connectors/{self.connectors[plugin].pk}/{rest}")

    def api_url(self, plugin: str, rest: str = "") -> str:
        return self.world.api_url(f"connectors/{self.connectors[plugin].pk}/{rest}")

    def form(self, plugin: str, settings: Settings, **more: str) -> dict[str, str]:
        shown = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
        if plugin == "rest_api":
            shown = {"paging": "none", "page_size": "100", "page_start": "1", "last_page": "empty", **shown}
        else:
            shown = {"sslmode": "prefer", "schema": "public", **shown}
        fields = {f"setting-{name}": value for name, value in shown.items()}
        credential = str(self.credentials[plugin].pk)
        return {"name": "new", "environment": "production", "credential": credential, **fields, **more}


def _connector(world: World, plugin: str, credential: Credential) -> Connector:
    given = ConnectorInput(plugin, plugin, GOOD[plugin], credential=credential)
    return save_connector(workspace=world.workspace, connector=None, given=given)


def _deployment(world: World, source: Connector, target: Connector) -> Deployment:
    flow = integrations.Flow(source, "items", target, f"out_{source.plugin}", MAPPING, write_mode="append")
    return integrations.create_integration(
        workspace=world.workspace, name=source.plugin.replace("_", "-"), description="", flow=flow, user=world.owner
    ).deployments.get()


Door = Callable[[House, str, Settings], Any]


def page_test(house: House, plugin: str, settings: Settings) -> Any:
    form = house.form(plugin, settings, action="test")
    return house.browser.post(house.world.url(f"connectors/new/?plugin={plugin}"), form, headers=HTMX)


def page_save(house: House, plugin: str, settings: Settings) -> Any:
    form = house.form(plugin, settings, name=house.connectors[plugin].name)
    return house.browser.post(house.url(plugin, "edit/"), form)


def api_save(house: House, plugin: str, settings: Settings) -> Any:
    return house.api.patch(house.api_url(plugin), {"settings": settings}, format="json")


def page_check(house: House, plugin: str, settings: Settings) -> Any:
    house.store(plugin, settings)
    return house.browser.post(house.url(plugin, "check/"), headers=HTMX)


def api_check(house: House, plugin: str, settings: Settings) -> Any:
    house.store(plugin, settings)
    return house.api.post(house.api_url(plugin, "check/"))


def page_discover(house: House, plugin: str, settings: Settings) -> Any:
    house.store(plugin, settings)
    return house.browser.get(house.url(plugin, "streams/"))


def api_discover(house: House, plugin: str, settings: Settings) -> Any:
    house.store(plugin, settings)
    return house.api.get(house.api_url(plugin, "streams/"))


def api_preview(house: House, plugin: str, settings: Settings) -> Any:
    house.store(plugin, settings)
    return house.api.post(house.api_url(plugin, "preview/"), {"stream": "items", "mapping": MAPPING}, format="json")


def run(house: House, plugin: str, settings: Settings) -> Any:
    house.store(plugin, settings)
    with acting_as(Actor(system="test")):
        deployment = Deployment.objects.get(pk=house.deployments[plugin].pk)
        started = runs.start_run(deployment=deployment, trigger=Trigger.MANUAL)
        execute_slice(run_id=started.pk, worker="egress")
        started.refresh_from_db()
        started.delete()


DOORS: dict[str, Door] = {
    "page test": page_test,
    "page save": page_save,
    "API save": api_save,
    "page check": page_check,
    "API check": api_check,
    "page discover": page_discover,
    "API discover": api_discover,
    "API preview": api_preview,
    "run": run,
}
