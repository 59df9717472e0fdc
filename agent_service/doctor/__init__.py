"""What is right and wrong with a project, before and after installing: it only looks, and says what mends a fault."""

from __future__ import annotations

from agent_service.doctor.findings import Finding, Status
from agent_service.doctor.running import examine

__all__ = ["Finding", "Status", "examine"]
