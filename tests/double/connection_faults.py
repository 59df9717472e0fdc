"""Connections that break, go silent or are slow. They need the socket, which `Connection` reaches."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import ClassVar

from tests.double.answers import Pace
from tests.double.api_faults import Overloaded
from tests.double.fault import Fault

RST_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 seconds
READ_FIRST = 0.05  # seconds for the client to read what was sent before the reset


class Connection:
    """The transport under one HTTP connection."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    async def reset(self) -> None:
        """End it with a TCP reset, as a crashed proxy does."""
        await asyncio.sleep(READ_FIRST)
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self._transport.abort()

    def truncate(self) -> None:
        """Begin a chunk, send less than it promised, and close."""
        self._transport.write(b'400\r\nevent: content_block_delta\ndata: {"type":"content_blo')
        self._transport.close()

    def close(self) -> None:
        self._transport.close()


@dataclass(frozen=True)
class ConnectionFault(Fault):
    """A connection that breaks. before: instead of an answer; otherwise after so many pieces of it."""

    before: ClassVar[bool] = False
    needs_stream: ClassVar[bool] = False

    async def strike(self, connection: Connection, request_id: str) -> bytes | None:
        """Break it. What is returned is sent, and the answer ends there; None: the connection is gone or silent."""
        raise NotImplementedError


@dataclass(frozen=True)
class ConnectionClosed(ConnectionFault):
    """Closed without an answer once the request is read, so that nobody knows whether it was worked on.

    A connection that is refused is not a request's fault: see `Double.refusing()`.
    """

    before: ClassVar[bool] = True

    async def strike(self, connection: Connection, request_id: str) -> bytes | None:
        connection.close()


@dataclass(frozen=True)
class ConnectionReset(ConnectionClosed):
    """The same with a TCP reset."""

    async def strike(self, connection: Connection, request_id: str) -> bytes | None:
        await connection.reset()


@dataclass(frozen=True)
class NoAnswer(ConnectionFault):
    """Accepted, read, never answered: the client's read timeout has to end it."""

    before: ClassVar[bool] = True

    async def strike(self, connection: Connection, request_id: str) -> bytes | None:
        return None


@dataclass(frozen=True)
class Stall(ConnectionFault):
    """Silent for ever after some of the answer."""

    after: int = 2

    async def strike(self, connection: Connection, request_id: str) -> bytes | None:
        return None


@dataclass(frozen=True)
class ResetMidStream(Stall):
    """A TCP reset after some of the answer."""

    async def strike(self, connection: Connection, request_id: str) -> bytes | None:
        await connection.reset()


@dataclass(frozen=True)
class TruncatedChunk(Stall):
    """The connection closes inside a chunk."""

    async def strike(self, connection: Connection, request_id: str) -> bytes | None:
        connection.truncate()


@dataclass(frozen=True)
class ErrorEvent(Stall):
    """An `error` event in a stream that began with status 200."""

    needs_stream: ClassVar[bool] = True

    async def strike(self, connection: Connection, request_id: str) -> bytes | None:
        body = Overloaded().body(request_id)
        return f"event: error\ndata: {json.dumps(body)}\n\n".encode()


@dataclass(frozen=True)
class EndsEarly(Stall):
    """A stream that ends cleanly, with neither stop reason nor final usage. Nothing is raised for it."""

    needs_stream: ClassVar[bool] = True

    async def strike(self, connection: Connection, request_id: str) -> bytes | None:
        return b""


@dataclass(frozen=True)
class Slow(Fault):
    """A whole answer at another pace: seconds to the first piece, seconds between pieces."""

    first: float = 0.0
    between: float = 0.0
    pieces: int = 8

    @property
    def pace(self) -> Pace:
        return Pace(self.first, self.between, self.pieces)
