"""`/v1/messages/batches`: made at once, ended when the script says so, results in any order."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.double.answer_faults import BatchFault
from tests.double.answerers import user_text
from tests.double.api_faults import ApiError, ApiFault, NotFound
from tests.double.checks import check_params, check_requests
from tests.double.endpoints import meet
from tests.double.service import Received, Service, new_id

RESULTS = ("processing", "succeeded", "errored", "canceled", "expired")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass
class Batch:
    """A batch. results: by custom_id, None for one that will be missing. polls_left None: until told to end."""

    results: dict[str, dict[str, Any] | None]
    polls_left: int | None
    id: str = field(default_factory=lambda: new_id("msgbatch"))
    created: dt.datetime = field(default_factory=_now)
    canceled: dt.datetime | None = None
    ended: dt.datetime | None = None

    def poll(self) -> None:
        """Look again: it has ended once no polls are left."""
        if self.polls_left:
            self.polls_left -= 1
        elif self.polls_left == 0 and self.ended is None:
            self.ended = _now()

    def cancel(self) -> None:
        """Nothing of it was worked on yet, so all of it is canceled; it ends at the next poll."""
        if self.ended is None:
            self.canceled = self.canceled or _now()
            self.results = {custom_id: {"type": "canceled"} for custom_id in self.results}
            self.polls_left = 0

    def as_json(self, base_url: str) -> dict[str, Any]:
        status = "ended" if self.ended else "canceling" if self.canceled else "in_progress"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": self._counts(),
            "created_at": self.created.isoformat(),
            "expires_at": (self.created + dt.timedelta(days=1)).isoformat(),
            "cancel_initiated_at": self.canceled and self.canceled.isoformat(),
            "ended_at": self.ended and self.ended.isoformat(),
            "archived_at": None,
            "results_url": f"{base_url}v1/messages/batches/{self.id}/results" if self.ended else None,
        }

    def lines(self) -> list[str]:
        """The results as JSON lines, shuffled."""
        given = [(custom_id, result) for custom_id, result in self.results.items() if result is not None]
        random.shuffle(given)
        return [json.dumps({"custom_id": custom_id, "result": result}) + "\n" for custom_id, result in given]

    def _counts(self) -> dict[str, int]:
        if self.ended is None:
            return dict.fromkeys(RESULTS, 0) | {"processing": len(self.results)}
        # A result that will be missing counts as one that succeeded: the counts do not give it away.
        counted = Counter(result["type"] if result else "succeeded" for result in self.results.values())
        return {name: counted[name] for name in RESULTS}


async def create(service: Service, request: Request, received: Received) -> Response:
    body = received.body if isinstance(received.body, dict) else {}
    check_requests(body.get("requests"))
    meet(service, received)
    results = {item["custom_id"]: _result(service, item["params"]) for item in body["requests"]}
    batch = Batch(results, service.batch_polls)
    service.batches[batch.id] = batch
    return JSONResponse(batch.as_json(str(request.base_url)))


async def retrieve(service: Service, request: Request, received: Received) -> Response:
    meet(service, received)
    batch = _find(service, request)
    batch.poll()
    return JSONResponse(batch.as_json(str(request.base_url)))


async def cancel(service: Service, request: Request, received: Received) -> Response:
    meet(service, received)
    batch = _find(service, request)
    batch.cancel()
    return JSONResponse(batch.as_json(str(request.base_url)))


async def results(service: Service, request: Request, received: Received) -> Response:
    meet(service, received)
    batch = _find(service, request)
    if batch.ended is None:
        raise ApiError(NotFound(f"Batch {batch.id} has no available results."))
    return Response("".join(batch.lines()), media_type="application/x-jsonl")


def _find(service: Service, request: Request) -> Batch:
    batch = service.batches.get(request.path_params["batch_id"])
    if batch is None:
        raise ApiError(NotFound("No such message batch."))
    return batch


def _result(service: Service, params: dict[str, Any]) -> dict[str, Any] | None:
    try:
        check_params(params, service.models)
    except ApiError as error:
        return _errored(error.fault)
    fault = service.script.take("batch_item", user_text(params))
    if isinstance(fault, ApiFault):
        return _errored(fault)
    if isinstance(fault, BatchFault):
        return {"type": fault.result} if fault.result else None
    return {"type": "succeeded", "message": service.message(params, fault, tier="batch").as_json()}


def _errored(fault: ApiFault) -> dict[str, Any]:
    return {"type": "errored", "error": fault.body(new_id("req"))}
