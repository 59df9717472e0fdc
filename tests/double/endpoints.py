"""`/v1/messages` and `/v1/messages/count_tokens`, and what every endpoint does first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.double import caching
from tests.double.answerers import user_text
from tests.double.api_faults import ApiError, ApiFault, InvalidRequest
from tests.double.checks import check_headers, check_params, check_size
from tests.double.connection_faults import Connection, ConnectionFault, Slow
from tests.double.fault import Fault
from tests.double.service import Received, Service
from tests.double.streaming import breaking, events

SECRET = ("x-api-key", "authorization")
Handler = Callable[[Service, Request, Received], Awaitable[Response]]


def endpoint(service: Service, at: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler with the request written down, its headers checked, and errors in the API's shape."""

    async def answer(request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name not in SECRET}
        received = Received(at, headers=headers)
        service.requests.append(received)
        try:
            raw = await request.body()
            received.body = _parse(raw)
            check_size(raw)
            check_headers(request.headers, service.keys)
            response = await handler(service, request, received)
        except ApiError as error:
            received.end(error.fault.type)
            return error.fault.response(received.id)
        response.headers["request-id"] = received.id
        if not isinstance(response, StreamingResponse):
            received.end("answered")
        return response

    return answer


def meet(service: Service, received: Received, prompt: str = "") -> Fault | None:
    """What the script has for this request. Raises ApiError if that is an error."""
    received.prompt = prompt
    fault = service.script.take(received.at, prompt)
    received.fault = fault.name if fault else None
    if isinstance(fault, ApiFault):
        raise ApiError(fault)
    return fault


async def messages(service: Service, request: Request, received: Received) -> Response:
    """One answer, as JSON or as a stream."""
    params = received.body
    check_params(params, service.models)
    fault = meet(service, received, user_text(params))
    connection = Connection(request.scope["double.transport"])
    broken = fault if isinstance(fault, ConnectionFault) else None
    if broken and broken.before:
        return await _break(broken, connection, request, received)
    streamed = params.get("stream", False)
    if broken and broken.needs_stream and not streamed:
        raise ApiError(InvalidRequest(f"The double cannot do {broken.name} without `stream`."))
    message = service.message(params, fault)
    received.usage = message.usage
    pace = fault.pace if isinstance(fault, Slow) else service.pace
    if streamed:
        body = events(message, pace, broken, connection, received)
        return StreamingResponse(body, media_type="text/event-stream", headers={"cache-control": "no-cache"})
    whole = json.dumps(message.as_json()).encode()
    body = breaking(_halves(whole, pace.duration(message.answer.text)), broken, connection, received)
    return StreamingResponse(body, media_type="application/json", headers={"content-length": str(len(whole))})


async def count_tokens(service: Service, request: Request, received: Received) -> Response:
    params = received.body
    check_params(params, service.models, counting=True)
    meet(service, received, user_text(params))
    return JSONResponse({"input_tokens": caching.prompt_tokens(params)})


async def _break(fault: ConnectionFault, connection: Connection, request: Request, received: Received) -> Response:
    received.end(fault.name)
    await fault.strike(connection, received.id)
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()  # to nobody


async def _halves(whole: bytes, seconds: float) -> AsyncIterator[bytes]:
    await asyncio.sleep(seconds)
    middle = len(whole) // 2
    yield whole[:middle]
    yield whole[middle:]


def _parse(raw: bytes) -> object:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return None
