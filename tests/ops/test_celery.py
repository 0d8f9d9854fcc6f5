"""What Celery is told for each kind of broker."""

import pytest

from config import celery


@pytest.mark.parametrize(
    ("url", "option"),
    [
        ("signalbox-fs://", "folder"),
        ("amqp://broker:5672//", "confirm_publish"),
        ("amqps://broker:5671//", "confirm_publish"),
        ("redis://cache:6379/1", "socket_timeout"),
        ("rediss://cache:6379/1", "socket_timeout"),
    ],
)
def test_each_broker_gets_its_own_options(url: str, option: str) -> None:
    assert option in celery._transport_options(url)


@pytest.mark.parametrize(
    ("given", "used"),
    [("signalbox-fs://", "signalbox-fs://localhost//"), ("redis://cache:6379/1", "redis://cache:6379/1")],
)
def test_an_address_with_a_host_is_left_as_it_is(given: str, used: str) -> None:
    assert celery._broker_url(given) == used


@pytest.mark.security("SEC-007", "SEC-008")
def test_messages_are_json_acknowledged_early_and_leave_no_result() -> None:
    conf = celery.app.conf
    assert (conf.accept_content, conf.task_acks_late, conf.task_ignore_result) == (["json"], False, True)
    assert (conf.worker_prefetch_multiplier, conf.worker_enable_remote_control) == (1, False)
