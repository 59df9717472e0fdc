"""Reads the parts of a request that are not its query string: preferences, media types, ranges and the body."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NamedTuple, NoReturn

from agent_service.devstack.gateway.errors import RestError, not_implemented

__all__ = ["MediaType", "Preferences", "choose_media_type", "parse_body", "parse_range", "require_json"]

# In the order in which Preference-Applied lists them.
PREFERENCES = {
    "resolution": ("merge-duplicates", "ignore-duplicates"),
    "missing": ("default", "null"),
    "return": ("representation", "minimal", "headers-only"),
    "count": ("exact", "planned", "estimated"),
    "tx": ("commit", "rollback"),
    "handling": ("strict", "lenient"),
}
JSON = "application/json"
OBJECT = "application/vnd.pgrst.object"
ARRAY = "application/vnd.pgrst.array"
ELSEWHERE = {
    "text/csv": "CSV",
    "application/geo": "GeoJSON",
    "application/vnd.pgrst.plan": "The plan of a statement",
}


class Preferences(dict[str, str]):
    """What the client prefers; unknown preferences count only under handling=strict, where they are errors."""

    @classmethod
    def parse(cls, headers: Iterable[str]) -> Preferences:
        """Read Prefer headers; the first of several values counts."""
        found, unknown = cls(), []
        for part in ",".join(headers).split(","):
            name, _, value = part.strip().partition("=")
            if value in PREFERENCES.get(name, ()) or (name == "max-affected" and value.isdecimal()):
                found.setdefault(name, value)
            elif part.strip():
                unknown.append(part.strip())
        if unknown and found.get("handling") == "strict":
            details = f"Invalid preferences: {', '.join(unknown)}"
            raise RestError("PGRST122", "Invalid preferences given with handling=strict", details=details)
        if found.get("count") in ("planned", "estimated"):
            raise not_implemented(f"count={found['count']}")
        return found

    def applied(self, names: Iterable[str]) -> str:
        """Render those of `names` that were asked for."""
        return ", ".join(
            f"{name}={self[name]}" for name in (*PREFERENCES, "max-affected") if name in self and name in names
        )

    @property
    def max_affected(self) -> int | None:
        """How many rows a write may touch, if that is to be enforced."""
        return int(self["max-affected"]) if self.get("handling") == "strict" and "max-affected" in self else None


class MediaType(NamedTuple):
    """How to render the result."""

    name: str
    is_object: bool = False
    strips_nulls: bool = False

    @property
    def content_type(self) -> str:
        """The value of Content-Type."""
        return f"{self.name}; charset=utf-8"


def choose_media_type(accept: str | None) -> MediaType:
    """Return the best of what Accept allows, or raise PGRST107."""
    ranges = [part.strip() for part in (accept or "*/*").split(",")]
    for accepted in sorted(ranges, key=_quality, reverse=True):
        name, *options = (part.strip() for part in accepted.split(";"))
        plain = name.partition("+")[0]
        strips_nulls = "nulls=stripped" in options
        if name in ("*/*", "application/*", JSON) or (plain == ARRAY and not strips_nulls):
            return MediaType(JSON)
        if plain in (OBJECT, ARRAY):
            rendered = f"{plain}+json" + (";nulls=stripped" if strips_nulls else "")
            return MediaType(rendered, plain == OBJECT, strips_nulls)
        if feature := ELSEWHERE.get(plain):
            raise not_implemented(feature)
    raise RestError("PGRST107", f"None of these media types are available: {', '.join(ranges)}")


def _quality(accepted: str) -> float:
    found = re.search(r";\s*q=([0-9.]+)", accepted)
    try:
        return float(found[1]) if found else 1.0
    except ValueError:
        return 0.0


def require_json(content_type: str | None) -> None:
    """Refuse a body that is not JSON."""
    name = (content_type or JSON).partition(";")[0].strip().lower()
    if name in (JSON, f"{OBJECT}+json", f"{ARRAY}+json", OBJECT, ARRAY):
        return
    if name in ("text/csv", "application/x-www-form-urlencoded", "text/plain", "text/xml", "application/octet-stream"):
        raise not_implemented(f"A body of {name}")
    raise RestError("PGRST102", f"Content-Type not acceptable: {name}")


def parse_body(text: str) -> tuple[str, list[str]]:
    """Return the text to insert and the keys that all its rows have.

    Anything that is neither an object nor an array counts as no rows. Raises PGRST102.
    """
    try:
        body = json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise RestError("PGRST102", "Empty or invalid json") from exc
    if isinstance(body, dict):
        return text, list(body)
    if not isinstance(body, list) or not body:
        return "[]", []
    if not all(isinstance(row, dict) and row.keys() == body[0].keys() for row in body):
        raise RestError("PGRST102", "All object keys must match")
    return text, list(body[0])


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def parse_range(header: str | None, limit: int | None, offset: int) -> tuple[int | None, int]:
    """Join the Range header, if there is one, with limit and offset; raises PGRST103."""
    if limit is not None and limit < 0:
        raise _unsatisfiable("Limit should be greater than or equal to zero.")
    found = re.fullmatch(r"(?:items=)?([0-9]{1,18})-([0-9]{0,18})", header or "")
    if found is None:
        return limit, offset
    first, last = int(found[1]), int(found[2]) if found[2] else None
    if last is not None and first > last:
        raise _unsatisfiable(
            "The lower boundary must be lower than or equal to the upper boundary in the Range header."
        )
    ends = [
        end
        for end in (last + 1 if last is not None else None, None if limit is None else offset + limit)
        if end is not None
    ]
    start = max(first, offset)
    return (max(0, min(ends) - start) if ends else None), start


def _unsatisfiable(details: str) -> RestError:
    return RestError("PGRST103", "Requested range not satisfiable", details=details)
