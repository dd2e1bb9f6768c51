"""A worker whose broker goes away in the middle of an answer gets an error, on which it connects anew; it does not wait for ever."""

import socket
import socketserver
import threading
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from kombu import Connection, Queue
from redis import exceptions

from otc import consuming, env


class HalfAnswering(socketserver.BaseRequestHandler):
    """Stands before a Redis; of the answer to a client that waits for a task it gives the first bytes only."""

    def handle(self):
        with socket.socket(socket.AF_UNIX) as redis:
            redis.connect(self.server.behind)
            waits = threading.Event()
            back = threading.Thread(target=self.answer, args=(redis, waits))
            back.start()
            while asked := self.request.recv(65_536):
                if b"BRPOP" in asked:
                    waits.set()
                redis.sendall(asked)
            redis.shutdown(socket.SHUT_RDWR)
            back.join()

    def answer(self, redis, waits):
        while answer := redis.recv(65_536):
            self.request.sendall(answer[:9] if waits.is_set() else answer)


@pytest.fixture
def half_answering(redis_url):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), HalfAnswering) as server:
        server.behind = urlsplit(redis_url).path
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()
        thread.join()


def test_half_an_answer_is_an_error_of_the_connection(redis_url, half_answering, monkeypatch):
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    assert 0 < options["socket_timeout"] <= consuming.DEAF_SECONDS
    monkeypatch.setenv("REDIS_URL", redis_url)
    queue = Queue("half-answered")
    with Connection(env.broker("REDIS_URL")) as direct, direct.Producer() as producer:
        producer.publish("a task", routing_key=queue.name, declare=[queue])
    with Connection(half_answering, transport_options={**options, "socket_timeout": 0.2}) as connection:
        with connection.Consumer(queue, callbacks=[print]), pytest.raises(exceptions.TimeoutError) as raised:
            connection.drain_events(timeout=30)
        assert isinstance(raised.value, connection.connection_errors)
