"""Drafts and requests as the frontend reads and writes them: camelCase here, snake_case in SQL."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from agent_service.llm.protocol import DraftType, Purpose

__all__ = [
    "Approve",
    "ApproveMany",
    "Consent",
    "ConsentKind",
    "DeleteMany",
    "Details",
    "Draft",
    "DraftPage",
    "DraftStatus",
    "Edit",
    "Generate",
    "ItemResult",
    "Language",
    "Logged",
    "RecordConsent",
    "Regenerate",
    "Reject",
    "RequestState",
    "Send",
    "Sending",
    "Wire",
    "Write",
]

DraftStatus = Literal["pending", "approved", "rejected", "sent", "expired", "superseded"]
State = Literal["queued", "running", "done", "failed", "cancelled"]
Language = Annotated[str, Field(max_length=35, pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", examples=["de"])]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="`contentHash` of the text that was shown.")]
DRAFT = "5b0f6ac9-1c63-4e9c-8a3b-0d6a3c1f7e21"
CLIENT = "0f8fad5b-d9cb-469f-a165-70867728950e"


class Wire(BaseModel):
    """What comes from SQL and goes to the frontend. Columns that a newer database has are let pass."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", protected_namespaces=(), frozen=True
    )


class Write(BaseModel):
    """What the frontend sends. An unknown field is a mistake, and is said to be one."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Details(Write):
    """Of a task."""

    due_at: AwareDatetime | None = None
    priority: Literal["low", "medium", "high"] | None = None


class Generate(Write):
    """A draft that is asked for."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"clientId": CLIENT, "draftType": "email", "purpose": "follow_up", "hints": "Thank her."}
        }
    )

    client_id: UUID
    draft_type: DraftType
    purpose: Purpose
    hints: str | None = Field(default=None, max_length=2048, description="What it should say; 2 kB at most.")
    language: Language | None = Field(default=None, description="Else the client's, else the organisation's.")
    contact_id: UUID | None = Field(default=None, description="Else the primary contact.")
    deal_id: UUID | None = None
    task_id: UUID | None = None


class Regenerate(Write):
    """Another draft in place of one."""

    hints: str | None = Field(default=None, max_length=2048)
    language: Language | None = Field(default=None, description="Else that of the draft.")


class Edit(Write):
    """A text as a person wants it. The whole of it: what is not sent is not kept, but for details."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"version": 1, "subject": "Our talk", "content": "Dear Dana,\n\nthank you."}}
    )

    version: int = Field(ge=1, le=2**31 - 1, description="The version that was edited.")
    subject: str | None = Field(default=None, max_length=300)
    content: str = Field(min_length=1, max_length=20000)
    details: Details | None = None


class Approve(Write):
    """A person's yes to exactly one text."""

    model_config = ConfigDict(json_schema_extra={"example": {"contentHash": "0" * 64, "action": "save"}})

    content_hash: Hash
    action: Literal["save", "send"] = "save"
    log_activity: bool | None = Field(default=None, description="Else true, but for memos.")
    create_task: bool = False
    accept_stale: bool = Field(default=False, description="Yes, although the CRM has moved on since.")


class Reject(Write):
    """A person's no."""

    reason: str | None = Field(default=None, max_length=1000)


class Shown(Write):
    """A draft and the text of it that was shown."""

    id: UUID
    content_hash: Hash


class ApproveMany(Write):
    """Several drafts, each with the text that was shown."""

    model_config = ConfigDict(json_schema_extra={"example": {"drafts": [{"id": DRAFT, "contentHash": "0" * 64}]}})

    drafts: list[Shown] = Field(min_length=1, max_length=100)
    accept_stale: bool = False


class DeleteMany(Write):
    """Several drafts."""

    model_config = ConfigDict(json_schema_extra={"example": {"ids": [DRAFT]}})

    ids: list[UUID] = Field(min_length=1, max_length=100)


class Send(Write):
    """An approved mail is to leave."""

    send_again: bool = Field(default=False, description="Yes, although nobody knows whether it left before.")


class ItemError(Wire):
    """Why one of several was refused."""

    code: str
    status: int | None = None
    message: str
    hint: str | None = None


class ItemResult(Wire):
    """What became of one of several."""

    id: UUID
    ok: bool
    error: ItemError | None = None


class StaleReason(Wire):
    """Something in the CRM that is no longer as it was when the draft was written."""

    kind: str
    entity_id: str | None = None
    at: dt.datetime | None = None
    text: str


class ReadDetails(Wire):
    """Of a task."""

    due_at: str | None = None
    priority: str | None = None


class Revision(Wire):
    """A text after an edit."""

    version: int
    subject: str | None = None
    content: str
    details: ReadDetails | None = None
    edited_by: UUID | None = None
    created_at: dt.datetime | None = None


class Mailto(Wire):
    """A link that opens the mail in the person's own program."""

    url: str
    has_body: bool = Field(description="Whether the text is in it; a long one is not, and has to be pasted.")


class Sending(Wire):
    """What became of sending a mail, the last time."""

    state: Literal["queued", "begun", "sent", "refused", "unknown", "undone"]
    due_at: dt.datetime | None = Field(default=None, description="Of a queued one: the end of the hold.")
    ended_at: dt.datetime | None = None
    resolved_at: dt.datetime | None = Field(default=None, description="When the person settled an unknown one.")
    code: str | None = None
    reason: str | None = Field(default=None, description="Why not, for people.")
    created_at: dt.datetime


class Draft(Wire):
    """A draft. What only a single draft has is null in lists: generated texts, revisions, unfinished, its sending."""

    id: UUID
    client_id: UUID
    client_name: str | None = None
    draft_type: DraftType
    purpose: Purpose | None = None
    status: str = Field(description="pending, edited, approved, rejected, superseded or expired; sent is sentAt.")
    subject: str | None = None
    content: str
    content_hash: str
    version: int
    language: str | None = None
    recipient: str | None = None
    details: ReadDetails | None = None
    contact_id: UUID | None = None
    deal_id: UUID | None = None
    task_id: UUID | None = None
    request_id: UUID | None = None
    supersedes_id: UUID | None = None
    generated_subject: str | None = None
    generated_content: str | None = None
    provider: str | None = None
    model: str | None = None
    context_version: str | None = None
    grounding: dict[str, Any] | None = Field(default=None, description="What the checks found; spans in code points.")
    notice: str | None = Field(default=None, description="What people should know of how it was written.")
    rejected_reason: str | None = None
    is_stale: bool | None = None
    stale_reasons: list[StaleReason] | None = None
    unfinished: list[str] | None = Field(default=None, description="Gaps and strangers' addresses: no approval yet.")
    revisions: list[Revision] | None = None
    created_at: dt.datetime
    updated_at: dt.datetime
    expires_at: dt.datetime | None = None
    approved_at: dt.datetime | None = None
    sent_at: dt.datetime | None = None
    sending: Sending | None = None
    mailto: Mailto | None = Field(default=None, description="Of an approved mail that was not sent.")


class Logged(Wire):
    """How many mails were written into the CRM."""

    logged: int


class DraftPage(Wire):
    """Drafts, newest first. next: pass it as `before` for the following page; null on the last."""

    items: list[Draft]
    next: str | None = None


class RequestState(Wire):
    """What was asked for and what became of it."""

    id: UUID
    client_id: UUID
    draft_type: DraftType
    purpose: Purpose
    state: State
    error: str | None = Field(default=None, description="Why not, for people.")
    created_at: dt.datetime
    updated_at: dt.datetime
    draft: Draft | None = Field(default=None, description="Once it is done.")


ConsentKind = Literal["processing", "email", "training"]


class RecordConsent(Write):
    """What a client or a user agreed to or took back: one of the two."""

    model_config = ConfigDict(json_schema_extra={"example": {"clientId": CLIENT, "kind": "email", "granted": False}})

    kind: ConsentKind
    granted: bool
    client_id: UUID | None = None
    user_id: UUID | None = None
    reason: str | None = Field(default=None, max_length=500)


class Consent(Wire):
    """An event; the newest of a subject and kind counts."""

    id: int
    client_id: UUID | None = None
    user_id: UUID | None = None
    kind: ConsentKind
    granted: bool
    reason: str | None = None
    recorded_by: UUID | None = None
    created_at: dt.datetime
