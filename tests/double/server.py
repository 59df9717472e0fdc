"""A double that listens: uvicorn in a thread of its own, on a port of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.double.app import make_app
from tests.double.service import Service

HOST = "127.0.0.1"


class _Protocol(H11Protocol):
    """Hands the transport on, for faults below HTTP."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        app = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "double.transport": transport}, receive, send)

        self.app = with_transport


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Leave nobody waiting: there may be requests that are never answered."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


class Double(Service):
    """The Messages API on loopback; `with Double() as double:` or `async with`.

    `url` is the base URL for a client. `script(...)` queues a fault for each of the next requests, `script.rule(...)`
    sets one that lasts, `requests` is what came in. Takes what Service takes, and a port.
    """

    def __init__(self, *, port: int = 0, **options: Any) -> None:
        super().__init__(**options)
        # Bound and never listened on: it keeps the port ours while `refusing`.
        self._reservation = _bound(port)
        self.port: int = self._reservation.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        self._app = make_app(self)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen. Returns once connections are accepted."""
        config = uvicorn.Config(
            self._app,
            http=_Protocol,
            loop="asyncio",  # whose sockets can be reset
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        self._server = server = _Server(config)
        listening = _bound(self.port)
        self._thread = threading.Thread(target=server.run, args=([listening],), name="double", daemon=True)
        self._thread.start()
        while not server.started:
            if not self._thread.is_alive():
                raise RuntimeError(f"The double did not start on port {self.port}.")
            time.sleep(0.002)

    def stop(self) -> None:
        """Close every connection and listen no more; whoever connects is refused."""
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join(10)
            self._server = self._thread = None

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse every connection meanwhile, as a host that is down does. Script and requests are kept."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def __enter__(self) -> Double:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._reservation.close()

    async def __aenter__(self) -> Double:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.__exit__)


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    return bound
