"""What one request vector is, and short forms for what many have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ANY = object()
"""Whatever it is, it is not compared."""


@dataclass(frozen=True)
class Vector:
    """`error` and `headers` list what must be there (None: must be absent); `body` is compared as JSON."""

    request: str
    status: int
    rule: str
    body: Any = ANY
    send: Any = None
    """The request's body: bytes as they are, all else as JSON."""
    sent_headers: Mapping[str, str] = field(default_factory=dict)
    who: str | None = "anon"
    error: Mapping[str, Any] | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    then: tuple[str, Any] | None = None
    """A GET afterwards and its body: what the request left behind."""

    @property
    def name(self) -> str:
        return f"{self.request} [{self.rule}]"


def filters(rule: str, *cases: tuple[str, list[int]]) -> list[Vector]:
    """One vector for each (query, ids of the items it admits)."""
    return [
        Vector(f"GET /items?{query}&select=id&order=id", 200, rule, [{"id": number} for number in ids])
        for query, ids in cases
    ]


def error(code: str, message: str | None = None, **more: Any) -> dict[str, Any]:
    return {"code": code, **({"message": message} if message is not None else {}), **more}


REPRESENTATION = {"prefer": "return=representation"}
MINIMAL = {"prefer": "return=minimal"}
EXACT = {"prefer": "count=exact"}
OBJECT = {"accept": "application/vnd.pgrst.object+json"}
NO_MATCH = ", but no matches were found in the schema cache."
NOT_IMPLEMENTED = error("PGRST127", "Feature not implemented")
