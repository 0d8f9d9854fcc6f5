"""The live stream by socket, by server-sent events and by polling; who may follow, and what strangers see."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.db import transaction
from django.test import AsyncClient, Client

from accounts.models import Membership, Workspace
from accounts.models.workspace import StatusPage
from config.asgi import application
from integrations import events
from monitoring import consumers
from monitoring.views import stream as stream_views
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = [(b"origin", b"http://localhost"), (b"host", b"localhost")]


def append(place: Workspace) -> None:
    with transaction.atomic():
        events.append(workspace=place, topic="run", object_id=uuid4(), kind="run.progress", data={"read": 5})


def cookie_of(user: Any) -> list[tuple[bytes, bytes]]:
    client = Client()
    client.force_login(user)
    pairs = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    return [(b"cookie", pairs.encode())]


class Socket:
    """One WebSocket to the whole ASGI application, without a network between."""

    def __init__(self, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        path, _, query = path.partition("?")
        scope = {"type": "websocket", "path": path, "query_string": query.encode(), "headers": headers}
        self._line = ApplicationCommunicator(application, scope)

    async def open(self) -> bool:
        """Say whether the socket was accepted."""
        await self._line.send_input({"type": "websocket.connect"})
        return bool((await self.output())["type"] == "websocket.accept")

    async def output(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._line.receive_output(10)
        return message

    async def message(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads((await self.output())["text"])
        return decoded

    async def say(self, text: str) -> None:
        await self._line.send_input({"type": "websocket.receive", "text": text})

    async def close(self) -> None:
        await self._line.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._line.wait(10)


async def socket(path: str, headers: list[tuple[bytes, bytes]]) -> tuple[Socket, bool]:
    found = Socket(path, headers)
    return found, await found.open()


async def test_a_member_sees_what_changes_after_the_cursor(world: World) -> None:
    await sync_to_async(append)(world.workspace)
    cookie = await sync_to_async(cookie_of)(world.viewer)
    found, connected = await socket("/ws/w/acme/events/?after=0.0", ORIGIN + cookie)
    assert connected
    assert (await found.message())["hello"] is True
    message = await found.message()
    assert (message["events"][0]["kind"], message["events"][0]["data"]) == ("run.progress", {"read": 5})
    await found.say("noise")
    await found.close()


@pytest.mark.parametrize("origin", [b"http://evil.example", b"null", b"", b"http://localhost.evil.example"])
async def test_a_socket_from_another_origin_is_refused(world: World, origin: bytes) -> None:
    cookie = await sync_to_async(cookie_of)(world.owner)
    _, connected = await socket("/ws/w/acme/events/", [(b"origin", origin), (b"host", b"localhost"), *cookie])
    assert not connected


async def test_nobody_outside_the_workspace_may_follow(world: World) -> None:
    cookie = await sync_to_async(cookie_of)(world.outsider)
    for path, headers in (
        ("/ws/w/acme/events/", ORIGIN),
        ("/ws/w/acme/events/", ORIGIN + cookie),
        ("/ws/w/missing/events/", ORIGIN + cookie),
        ("/ws/status/acme/", ORIGIN),
        ("/ws/status/acme/", ORIGIN + cookie),
    ):
        _, connected = await socket(path, headers)
        assert not connected


async def test_a_lost_membership_closes_the_socket(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "PING_SECONDS", 0.05)
    cookie = await sync_to_async(cookie_of)(world.viewer)
    found, _ = await socket("/ws/w/acme/events/", ORIGIN + cookie)
    await found.message()
    assert "ping" in await found.message()
    await sync_to_async(Membership.objects.filter(user=world.viewer).delete)()
    message = await found.output()
    while message["type"] == "websocket.send":
        message = await found.output()
    assert (message["type"], message["code"]) == ("websocket.close", 4403)


async def test_strangers_follow_a_public_status_page_and_see_topics_alone(world: World) -> None:
    await sync_to_async(Workspace.objects.filter(pk=world.workspace.pk).update)(status_page=StatusPage.PUBLIC)
    await sync_to_async(append)(world.workspace)
    found, connected = await socket("/ws/status/acme/?after=0.0", ORIGIN)
    assert connected
    await found.message()
    message = await found.message()
    assert [set(event) for event in message["events"]] == [{"id", "topic"}]
    await found.close()


async def test_server_sent_events_carry_the_same_frames(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_views, "STREAM_SECONDS", 0.6)
    monkeypatch.setattr(stream_views, "PING_SECONDS", 0.1)
    await sync_to_async(append)(world.workspace)
    client = AsyncClient()
    await client.aforce_login(world.viewer)
    answer = await client.get("/w/acme/events/stream/?after=0.0")
    parts = [part async for part in cast("AsyncIterator[bytes]", vars(answer)["_iterator"])]
    frames = [json.loads(part.removeprefix(b"data: ")) for part in parts]
    assert (frames[0]["hello"], frames[1]["events"][0]["kind"]) == (True, "run.progress")
    assert "ping" in frames[-1]


def test_polling_tells_what_is_new_and_where_to_go_on(world: World, client: Client) -> None:
    client.force_login(world.viewer)
    start = client.get("/w/acme/events/").json()
    append(world.workspace)
    after = client.get(f"/w/acme/events/?after={start['cursor']}").json()
    assert (start["events"], len(after["events"])) == ([], 1)
    assert client.get(f"/w/acme/events/?after={after['cursor']}").json()["events"] == []


def test_a_page_carries_the_cursor_from_before_its_data(world: World, client: Client) -> None:
    append(world.workspace)
    client.force_login(world.viewer)
    answer = client.get("/w/acme/settings/")
    assert answer.status_code in {200, 403}
    assert answer.context["live_cursor"].partition(".")[2].isdigit()


@pytest.mark.parametrize("path", ["/status/acme/", "/status/acme/events/", "/status/acme/events/stream/"])
def test_the_status_page_is_for_members_unless_the_workspace_opens_it(world: World, client: Client, path: str) -> None:
    assert client.get(path).status_code == 404
    client.force_login(world.outsider)
    assert client.get(path).status_code == 404
    client.force_login(world.auditor)
    assert client.get(path).status_code == 200
    client.logout()
    Workspace.objects.filter(pk=world.workspace.pk).update(status_page=StatusPage.PUBLIC)
    assert client.get(path).status_code == 200
