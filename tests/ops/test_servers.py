"""The private servers that tests start really start, and a missing one is skipped with what to install."""

import psycopg
import pytest
import redis
from playwright.sync_api import Page

from tests.servers import Server, find_binary


def test_postgresql_gives_each_test_a_database_of_its_own(postgres_database: str) -> None:
    with psycopg.connect(postgres_database) as connection:
        row = connection.execute("SELECT current_database() LIKE 'test_%', inet_server_addr()::text").fetchone()
    assert row == (True, "127.0.0.1/32")


def test_redis_answers(redis_server: Server) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.ping()


def test_chromium_shows_a_page(chromium_page: Page) -> None:
    chromium_page.set_content("<h1>Signalbox</h1>")
    assert chromium_page.inner_text("h1") == "Signalbox"


def test_a_missing_program_skips_with_one_line_that_says_what_to_install() -> None:
    with pytest.raises(pytest.skip.Exception, match="apt-get install imaginary"):
        find_binary(["imaginary-server"], package="imaginary")
