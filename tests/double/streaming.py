"""A message as server-sent events, at a pace, broken where the script says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.double.answers import Pace
from tests.double.connection_faults import Connection, ConnectionFault, Stall
from tests.double.service import Message, Received


async def events(
    message: Message, pace: Pace, fault: ConnectionFault | None, connection: Connection, received: Received
) -> AsyncIterator[bytes]:
    """The body of a streamed answer."""
    pieces = pace.split(message.answer.text or "")
    after = min(fault.after, len(pieces)) if isinstance(fault, Stall) else 0
    async for part in breaking(_stream(message, pieces, pace), fault, connection, received, after=after):
        yield part


async def breaking(
    body: AsyncIterator[bytes],
    fault: ConnectionFault | None,
    connection: Connection,
    received: Received,
    *,
    after: int = 0,
) -> AsyncIterator[bytes]:
    """A body up to where the fault strikes: after the first part and so many more."""
    try:
        number = 0
        async for part in body:
            if fault and number > after:
                break
            yield part
            number += 1
        if fault is None:
            received.end("answered")
            return
        received.end(fault.name)
        last = await fault.strike(connection, received.id)
        if last is None:
            await asyncio.Event().wait()  # until the connection is gone, which cancels this
        yield last or b""
    finally:
        received.end("client left")


async def _stream(message: Message, pieces: list[str], pace: Pace) -> AsyncIterator[bytes]:
    said = message.answer
    start = message.as_json() | {"content": [], "stop_reason": None, "stop_details": None}
    start["usage"] = message.usage | {"output_tokens": 1}
    head = _event("message_start", message=start)
    if said.text is not None:
        head += _event("content_block_start", index=0, content_block={"type": "text", "text": ""}) + _event("ping")
    yield head
    for number, piece in enumerate(pieces):
        await asyncio.sleep(pace.between if number else pace.first)
        yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
    delta = {"stop_reason": said.stop_reason, "stop_sequence": None, "stop_details": said.stop_details}
    end = _event("content_block_stop", index=0) if said.text is not None else b""
    counted = {name: value for name, value in message.usage.items() if name.endswith("tokens")}
    yield end + _event("message_delta", delta=delta, usage=counted) + _event("message_stop")


def _event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()
