"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Status", "fault", "ok", "skipped", "warning"]

Status = Literal["ok", "warning", "fault", "skipped"]


@dataclass(frozen=True)
class Finding:
    """One sentence about one thing; `mend` is what puts it right, None where nothing has to be."""

    check: str
    status: Status
    sentence: str
    mend: str | None = None


def ok(check: str, sentence: str) -> Finding:
    return Finding(check, "ok", sentence)


def warning(check: str, sentence: str, mend: str) -> Finding:
    return Finding(check, "warning", sentence, mend)


def fault(check: str, sentence: str, mend: str) -> Finding:
    return Finding(check, "fault", sentence, mend)


def skipped(check: str, sentence: str, mend: str | None = None) -> Finding:
    return Finding(check, "skipped", sentence, mend)
