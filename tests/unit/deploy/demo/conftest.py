"""The demo's server, asked as a browser would ask it."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from sfsc.deploy.demo.exhibits import Exhibits, open_exhibits
from sfsc.deploy.demo.server import build_app


@dataclass(frozen=True)
class Reply:
    """What the server answers."""

    status: int
    headers: Message
    body: bytes

    @property
    def error(self) -> str:
        """The sentence of a refusal."""
        return json.loads(self.body)["error"]

    @property
    def floats(self) -> np.ndarray:
        """The body as numbers."""
        return np.frombuffer(self.body, dtype="<f4")


class Client:
    """Asks one server, one connection per request.

    Args:
        port: Port of the server on this machine.
    """

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self, path: str, body: bytes | None = None, *, method: str = "", host: str = "127.0.0.1"
    ) -> Reply:
        """Return the answer to GET or, with a body, POST."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            method = method or ("GET" if body is None else "POST")
            connection.request(method, path, body, {"Host": f"{host}:{self.port}"})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())


@pytest.fixture(scope="session")
def exhibits(exported: Path, data: Path) -> Iterator[Exhibits]:
    """An export and the test set of its training."""
    with open_exhibits(exported, data) as exhibits:
        yield exhibits


@pytest.fixture(scope="session")
def client(exhibits: Exhibits) -> Iterator[Client]:
    """A server in a thread."""
    server = uvicorn.Server(uvicorn.Config(build_app(exhibits), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Client(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join()
