"""What a person does with a draft."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from agent_service.api.auth import Caller
from agent_service.api.cursors import read_cursor, write_cursor
from agent_service.api.models import (
    Approve,
    ApproveMany,
    DeleteMany,
    Draft,
    DraftPage,
    DraftStatus,
    Edit,
    ItemResult,
    Logged,
    Mailto,
    Reject,
    Send,
    Sending,
)
from agent_service.api.problems import documented
from agent_service.api.services import App, Person, Services
from agent_service.mail import mailto_link

__all__ = ["router"]

router = APIRouter(prefix="/api/ai/drafts", tags=["drafts"])
REFUSALS = documented(401, 403, 404, 409, 429)
DraftId = Annotated[UUID, Path(alias="id")]


class Asked(BaseModel):
    """Which drafts, and which page of them."""

    status: DraftStatus | None = Field(default=None, description="pending: open. approved: and not yet sent.")
    limit: int = Field(default=50, ge=1, le=100)
    before: str | None = Field(default=None, max_length=300, description="`next` of the page before.")


@router.get("", response_model=DraftPage, responses=documented(401, 403))
async def list_drafts(services: App, caller: Person, asked: Annotated[Asked, Query()]) -> Response:
    """List the caller's drafts, newest first."""
    return await _page(services, caller, None, asked)


@router.get("/by-id/{id}", responses=documented(401, 403, 404))
async def get_draft(draft_id: DraftId, services: App, caller: Person) -> Draft:
    """Read one draft, with its edits, what keeps it from being approved, and what has changed in the CRM since."""
    return await read_draft(services, caller, draft_id)


@router.get("/{id}", response_model=DraftPage, responses=documented(401, 403))
async def list_client_drafts(
    client_id: Annotated[UUID, Path(alias="id", description="Of the client.")],
    services: App,
    caller: Person,
    asked: Annotated[Asked, Query()],
) -> Response:
    """List the caller's drafts for one client, newest first."""
    return await _page(services, caller, client_id, asked)


@router.patch("/{id}", responses=REFUSALS)
async def edit_draft(draft_id: DraftId, body: Edit, services: App, caller: Person) -> Draft:
    """Save an edited text as a new version. 409 draft_changed where somebody else has saved one since."""
    details = body.details.model_dump(mode="json", exclude_none=True) if body.details is not None else None
    return await _draft(
        services,
        caller,
        "edit_draft",
        p_draft_id=draft_id,
        p_version=body.version,
        p_subject=body.subject,
        p_content=body.content,
        p_details=details,
    )


@router.post("/{id}/approve", responses=REFUSALS)
async def approve_draft(draft_id: DraftId, body: Approve, services: App, caller: Person) -> Draft:
    """Approve exactly the text that was shown, and save or send it."""
    asked = {f"p_{name}": value for name, value in body.model_dump().items()}
    draft = await _draft(services, caller, "approve_draft", p_draft_id=draft_id, **asked)
    return draft if body.action == "save" else await read_draft(services, caller, draft_id)


@router.post("/{id}/reject", responses=REFUSALS)
async def reject_draft(draft_id: DraftId, body: Reject, services: App, caller: Person) -> Draft:
    """Reject a draft."""
    return await _draft(services, caller, "reject_draft", p_draft_id=draft_id, p_reason=body.reason)


@router.post("/{id}/send", responses=REFUSALS)
async def send_draft(draft_id: DraftId, services: App, caller: Person, body: Send | None = None) -> Draft:
    """Send an approved mail, or try again where sending was refused. It is held for some seconds first."""
    await _rpc(services, caller, "send_draft", p_draft_id=draft_id, p_send_again=body is not None and body.send_again)
    return await read_draft(services, caller, draft_id)


@router.post("/{id}/undo-send", responses=REFUSALS)
async def undo_send(draft_id: DraftId, services: App, caller: Person) -> Draft:
    """Take a mail back while it is held: the draft is open again, with its edited text."""
    await _rpc(services, caller, "undo_send", p_draft_id=draft_id)
    return await read_draft(services, caller, draft_id)


@router.post("/{id}/mark-sent", responses=REFUSALS)
async def mark_sent(draft_id: DraftId, services: App, caller: Person) -> Draft:
    """Say that the caller has sent an approved mail with their own program, or that one of unknown fate has left."""
    await _rpc(services, caller, "mark_sent", p_draft_id=draft_id)
    return await read_draft(services, caller, draft_id)


@router.post("/log-sends", responses=documented(401, 403, 409))
async def log_sends(services: App, caller: Person) -> Logged:
    """Write the caller's mails that were sent into the CRM, in place of the notes that approving left. Any time."""
    return Logged(logged=await _rpc(services, caller, "log_sends"))


@router.post("/approve", responses=REFUSALS)
async def approve_drafts(body: ApproveMany, services: App, caller: Person) -> list[ItemResult]:
    """Approve and save several drafts; one refusal keeps no other back."""
    shown = [item.model_dump(mode="json") for item in body.drafts]
    found = await _rpc(services, caller, "approve_drafts", p_drafts=shown, p_accept_stale=body.accept_stale)
    return [ItemResult.model_validate(item) for item in found]


@router.post("/delete", responses=REFUSALS)
async def delete_drafts(body: DeleteMany, services: App, caller: Person) -> list[ItemResult]:
    """Delete several drafts with their edits. What was approved stays on record."""
    found = await _rpc(services, caller, "delete_drafts", p_draft_ids=[str(draft_id) for draft_id in body.ids])
    return [ItemResult.model_validate(item) for item in found]


async def _rpc(services: Services, caller: Caller, function: str, **params: object) -> Any:  # noqa: ANN401 - JSON
    sent = {name: str(value) if isinstance(value, UUID) else value for name, value in params.items()}
    return await services.supabase.rpc(function, sent, token=caller.token)


async def _draft(services: Services, caller: Caller, function: str, **params: object) -> Draft:
    return Draft.model_validate(await _rpc(services, caller, function, **params))


async def read_draft(services: Services, caller: Caller, draft_id: UUID) -> Draft:
    """Return a draft with everything about it."""
    draft = await _draft(services, caller, "get_draft", p_draft_id=draft_id)
    if draft.draft_type != "email" or draft.approved_at is None:
        return draft
    rows = await services.supabase.select("ai_sends", token=caller.token, draft_id=str(draft_id))
    sends = sorted(map(Sending.model_validate, rows), key=lambda send: send.created_at)
    return draft.model_copy(update={"sending": sends[-1] if sends else None, "mailto": _mailto(draft)})


def _mailto(draft: Draft) -> Mailto | None:
    if draft.sent_at is not None or draft.recipient is None:
        return None
    try:
        link = mailto_link(draft.recipient, subject=draft.subject, content=draft.content)
    except ValueError:  # the CRM's address is none
        return None
    return Mailto(url=link.url, has_body=link.has_body)


async def _page(services: Services, caller: Caller, client_id: UUID | None, asked: Asked) -> Response:
    page = await _rpc(
        services,
        caller,
        "list_drafts",
        p_client_id=client_id,
        p_status=asked.status,
        p_limit=asked.limit,
        p_before=read_cursor(asked.before, field="before"),
    )
    shown = DraftPage.model_validate({**page, "next": write_cursor(page["next"])})
    # Written here: FastAPI would validate and write all of it once more, 0.3 ms for 50 drafts.
    return Response(shown.model_dump_json(by_alias=True), media_type="application/json")
