"""What every test may ask for: private servers, the small world of workspaces and people; and what is measured."""

from tests.flushing import flushable_audit_log
from tests.measuring import pytest_collection_modifyitems
from tests.rabbitmq import rabbitmq_server
from tests.servers import browser, chromium_page, postgres_database, postgres_server, redis_server
from tests.world import world

__all__ = [
    "browser",
    "chromium_page",
    "flushable_audit_log",
    "postgres_database",
    "postgres_server",
    "pytest_collection_modifyitems",
    "rabbitmq_server",
    "redis_server",
    "world",
]
