"""What users of the interleave drill ask for: their own rows by every route, others' rows, and trouble."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

__all__ = ["KINDS", "UNDONE", "Kind", "User"]

UNDONE = "written and undone"
OBJECT = {"Accept": "application/vnd.pgrst.object+json"}


@dataclass
class User:
    """Somebody signed in; `number` is in every text of theirs, `clients` are their clients' ids."""

    number: int
    email: str
    clients: list[uuid.UUID]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        return f"mark-{self.number}-"


Ask = Callable[[httpx.AsyncClient, User, User], Awaitable[httpx.Response]]


@dataclass(frozen=True)
class Kind:
    """A kind of request: the statuses it must have, and whether its answer must hold the user's own rows."""

    name: str
    statuses: tuple[int, ...]
    ask: Ask
    own: bool = False


def _get(path: str, **headers: str) -> Ask:
    """Read `path`, in which {own} and {other} are a client of the user and of somebody else."""

    async def ask(http: httpx.AsyncClient, user: User, other: User) -> httpx.Response:
        url = path.format(own=user.clients[0], other=other.clients[0])
        return await http.get(f"/rest/v1{url}", headers=user.headers | headers)

    return ask


def _call(name: str, *, about: str | None = None, timeout: float = 30, **headers: str) -> Ask:
    async def ask(http: httpx.AsyncClient, user: User, other: User) -> httpx.Response:
        clients = {"own": user.clients[0], "other": other.clients[0]}
        asked = {"p_client_id": str(clients[about])} if about else {}
        sent = user.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return await http.post(f"/rest/v1/rpc/{name}", json=asked, headers=sent, timeout=timeout)

    return ask


async def _nobody(http: httpx.AsyncClient, _: User, __: User) -> httpx.Response:
    return await http.get("/rest/v1/clients")


async def _give_away(http: httpx.AsyncClient, user: User, other: User) -> httpx.Response:
    """A client of one's own with somebody else's contact: refused by a policy, after part of the work is done."""
    row: dict[str, Any] = {"client_id": str(other.clients[0]), "name": f"{user.mark} intruder"}
    return await http.post("/rest/v1/contacts", json=row, headers=user.headers)


async def _undo(http: httpx.AsyncClient, user: User, _: User) -> httpx.Response:
    """A write of several rows that asks for one: written, counted, rolled back."""
    headers = user.headers | OBJECT | {"Prefer": "return=representation"}
    path = f"/rest/v1/clients?name=like.{user.mark}*"
    return await http.patch(path, json={"company": f"{user.mark} {UNDONE}"}, headers=headers)


KINDS = [
    *[
        Kind("clients", (200,), _get("/clients?select=id,name"), own=True),
        Kind("activities", (200,), _get("/activities?order=occurred_at.desc&limit=5"), own=True),
        Kind("drafts", (200,), _get("/ai_drafts?select=content"), own=True),
        Kind("view", (200,), _get("/drill_clients"), own=True),
        Kind("context", (200,), _call("get_client_context", about="own"), own=True),
    ]
    * 3,
    Kind("another's context", (404,), _call("get_client_context", about="other")),
    Kind("another's client", (200,), _get("/clients?id=eq.{other}")),
    Kind("nobody", (401,), _nobody),
    Kind("wrong filter", (400,), _get("/clients?id=eq.not-a-uuid")),
    Kind("one of several", (406,), _get("/clients", **OBJECT)),
    Kind("refused insert", (403,), _give_away),
    Kind("undone write", (406,), _undo),
    Kind("failing function", (400,), _call("drill_fail")),
    Kind("spoiling function", (204,), _call("drill_spoil")),
    Kind("statement timeout", (500,), _call("drill_slow", x_drill_impatient="1")),
    Kind("leaving early", (204,), _call("drill_slow", timeout=0.02)),
]
