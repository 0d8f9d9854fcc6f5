"""An address that cannot be used is refused where it is entered, at its field, by the page and by the API."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests.world import World, token_text, with_token

STREAMS = [{"name": "items", "path": "/items"}]


@pytest.fixture
def api(world: World) -> APIClient:
    return with_token(token_text(world.owner, world.workspace))


def created(world: World, api: APIClient, url: str) -> tuple[int, str]:
    """The status, and what is said of the address."""
    settings = {"base_url": url, "streams": STREAMS}
    answer = api.post(
        world.api_url("connectors/"), {"name": "a", "plugin": "rest_api", "settings": settings}, format="json"
    )
    return answer.status_code, str(answer.json())


@pytest.mark.security("SEC-081", "SEC-082")
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.1/", "canonical form"),
        ("https://me:pw@shop.example/", "use a credential"),
        ("https://shop.example\\@127.0.0.1/", "backslash"),
        ("https://169.254.169.254/latest", "can never be used"),
        ("https://[fe80::1]/", "can never be used"),
    ],
)
def test_an_address_that_cannot_be_used_is_not_saved(world: World, api: APIClient, url: str, words: str) -> None:
    status, said = created(world, api, url)
    assert status == 400
    assert "base_url" in said
    assert words in said
    assert "pw" not in said


@pytest.mark.parametrize("url", ["https://shop.example", "http://10.0.0.7:8080/api", "http://shop.example:6379"])
def test_what_may_be_opened_one_day_is_saved(world: World, api: APIClient, url: str) -> None:
    assert created(world, api, url)[0] == 201


@pytest.mark.security("SEC-092")
@pytest.mark.parametrize("host", ["/var/run/postgresql", "a.example,b.example", "0177.0.0.1", "169.254.169.254"])
def test_a_host_that_cannot_be_used_is_not_saved(world: World, api: APIClient, host: str) -> None:
    settings = {"host": host, "database": "app"}
    answer = api.post(
        world.api_url("connectors/"), {"name": "a", "plugin": "postgres", "settings": settings}, format="json"
    )
    assert answer.status_code == 400
    assert "host" in str(answer.json())
