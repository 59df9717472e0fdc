"""The routes: the API's, and `/_double/` for tests whose double is in another process."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.double import batches
from tests.double.answerers import ANSWERERS, fixed
from tests.double.answers import Pace
from tests.double.api_faults import ApiError, NotFound
from tests.double.endpoints import Handler, count_tokens, endpoint, messages
from tests.double.service import Received, Service


def make_app(service: Service) -> Starlette:
    """The double as an ASGI app."""

    def route(method: str, path: str, at: str, handler: Handler) -> Route:
        return Route(f"/v1/messages{path}", endpoint(service, at, handler), methods=[method])

    async def script(request: Request) -> Response:
        try:
            instruct(service, await request.json())
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"left": service.script.left()})

    async def requests(request: Request) -> Response:
        return JSONResponse({"requests": [received.as_json() for received in service.requests]})

    return Starlette(
        routes=[
            route("POST", "", "messages", messages),
            route("POST", "/count_tokens", "count_tokens", count_tokens),
            route("POST", "/batches", "batches", batches.create),
            route("GET", "/batches/{batch_id}", "batch", batches.retrieve),
            route("GET", "/batches/{batch_id}/results", "results", batches.results),
            route("POST", "/batches/{batch_id}/cancel", "cancel", batches.cancel),
            Route("/_double/script", script, methods=["POST"]),
            Route("/_double/requests", requests, methods=["GET"]),
            Route("/{path:path}", endpoint(service, "unknown", _unknown), methods=["GET", "POST", "DELETE"]),
        ]
    )


def instruct(service: Service, data: dict[str, object]) -> None:
    """Do what `POST /_double/script` asks: reset first, then everything else.

    reset: bool. faults, at, rules: see Script.load. answerer: a name, or {"fixed": text}. pace: the fields of Pace.
    batch_polls: a number or null. end_batches: bool. Raises ValueError for anything unknown.
    """
    known = {"reset", "faults", "at", "rules", "answerer", "pace", "batch_polls", "end_batches"}
    if unknown := data.keys() - known:
        raise ValueError(f"Not an instruction: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}.")
    if data.get("reset"):
        service.reset()
    if "answerer" in data:
        name = data["answerer"]
        service.answerer = fixed(name["fixed"]) if isinstance(name, dict) else ANSWERERS[name]
    if "pace" in data:
        service.pace = Pace(**data["pace"])
    if "batch_polls" in data:
        service.batch_polls = data["batch_polls"]
    if data.get("end_batches"):
        service.end_batches()
    service.script.load(data)


async def _unknown(service: Service, request: Request, received: Received) -> Response:
    raise ApiError(NotFound("Not found"))
