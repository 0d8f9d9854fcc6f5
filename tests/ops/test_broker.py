"""The embedded broker: no message lost, none twice, whatever writes and reads at the same time."""

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.queues import Queue as ProcessQueue
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection, Consumer, Exchange, Message, Producer, Queue

from config import broker

PRODUCERS, MESSAGES, CONSUMERS = 4, 300, 2
BOUND_SECONDS = 60
QUEUE = Queue("slices", Exchange("slices", type="direct"), routing_key="slices")
SPAWN = multiprocessing.get_context("spawn")


def connect(folder: Path) -> Connection:
    broker.register()
    return Connection(f"{broker.SCHEME}://", transport_options={"folder": str(folder), "polling_interval": 0.01})


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with connect(tmp_path) as opened:
        yield opened


def publish(connection: Connection, *bodies: object) -> None:
    producer = Producer(connection.channel(), exchange=QUEUE.exchange, routing_key="slices", serializer="json")
    for body in bodies:
        producer.publish(body, declare=[QUEUE])


def channel(connection: Connection) -> broker.Channel:
    opened = connection.channel()
    assert isinstance(opened, broker.Channel)
    return opened


def size(connection: Connection) -> int:
    return channel(connection)._size("slices")


def receive(connection: Connection, count: int) -> list[object]:
    found: list[object] = []

    def take(body: object, message: Message) -> None:
        found.append(body)
        message.ack()

    with Consumer(connection.channel(), [QUEUE], callbacks=[take], accept=["json"]):
        while len(found) < count:
            connection.drain_events(timeout=5)
    return found


def produce(folder: Path, number: int) -> None:
    with connect(folder) as connection:
        publish(connection, *([number, index] for index in range(MESSAGES)))


def consume(folder: Path, received: "ProcessQueue[list[int]]") -> None:
    def take(body: list[int], message: Message) -> None:
        received.put(body)
        message.ack()

    with connect(folder) as connection, Consumer(connection.channel(), [QUEUE], callbacks=[take], accept=["json"]):
        while True:
            connection.drain_events()


def collect(received: "ProcessQueue[list[int]]", count: int) -> Counter[tuple[int, int]]:
    found: Counter[tuple[int, int]] = Counter()
    deadline = time.monotonic() + BOUND_SECONDS
    while found.total() < count and time.monotonic() < deadline:
        try:
            number, index = received.get(timeout=0.5)
        except Empty:
            continue
        found[number, index] += 1
    return found


def test_four_producers_and_two_consumers_lose_no_message_and_double_none(tmp_path: Path) -> None:
    received = SPAWN.Queue()
    consumers = [SPAWN.Process(target=consume, args=(tmp_path, received), daemon=True) for _ in range(CONSUMERS)]
    producers = [SPAWN.Process(target=produce, args=(tmp_path, number)) for number in range(PRODUCERS)]
    try:
        for process in (*consumers, *producers):
            process.start()
        found = collect(received, PRODUCERS * MESSAGES)
        assert [process.is_alive() for process in consumers] == [True] * CONSUMERS
    finally:
        for process in (*consumers, *producers):
            process.kill()
            process.join()
    assert found == Counter((number, index) for number in range(PRODUCERS) for index in range(MESSAGES))


def test_messages_arrive_oldest_first(connection: Connection) -> None:
    publish(connection, 1, 2, 3)
    assert receive(connection, 3) == [1, 2, 3]


def test_a_damaged_message_is_dropped_with_a_warning_and_the_next_arrives(
    connection: Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish(connection, "whole")
    (tmp_path / "queues" / "slices" / f"{0:020d}-damaged.msg").touch()
    assert receive(connection, 1) == ["whole"]
    assert "damaged message" in caplog.text


def test_a_message_that_is_still_being_written_is_not_seen(connection: Connection, tmp_path: Path) -> None:
    publish(connection, "whole")
    (tmp_path / "incoming" / "half.msg").write_text('{"bo')
    assert receive(connection, 1) == ["whole"]
    assert (tmp_path / "incoming" / "half.msg").exists()


def test_opening_the_broker_sweeps_what_a_crashed_producer_left_long_ago(tmp_path: Path) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    for name, age in (("old.msg", 7200), ("new.msg", 10)):
        (incoming / name).touch()
        stamp = time.time() - age
        os.utime(incoming / name, (stamp, stamp))
    with connect(tmp_path) as connection:
        connection.connect()
    assert [path.name for path in incoming.iterdir()] == ["new.msg"]


def test_purging_empties_a_queue_and_says_how_many_there_were(connection: Connection) -> None:
    publish(connection, 1, 2)
    bound = QUEUE(connection.channel())
    assert size(connection) == 2
    assert bound.purge() == 2
    assert size(connection) == 0


def test_deleting_a_queue_empties_it(connection: Connection) -> None:
    publish(connection, 1)
    bound = QUEUE(connection.channel())
    bound.declare()
    bound.delete()
    assert size(connection) == 0


def test_a_queue_that_nobody_declared_is_not_there(connection: Connection) -> None:
    with pytest.raises(connection.channel_errors, match="NOT_FOUND"):
        Queue("unknown")(connection.channel()).queue_declare(passive=True)


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_queue_cannot_leave_the_folder(connection: Connection, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a queue"):
        channel(connection)._put(name, {})


def test_a_queue_name_with_slashes_stays_inside_the_folder(connection: Connection, tmp_path: Path) -> None:
    channel(connection)._put("../../out", {"body": ""})
    assert [path.name for path in (tmp_path / "queues").iterdir()] == ["..%2F..%2Fout"]


def test_a_connection_without_a_folder_is_refused_with_what_is_missing() -> None:
    broker.register()
    with pytest.raises(ValueError, match="'folder'"):
        Connection(f"{broker.SCHEME}://").connect()
