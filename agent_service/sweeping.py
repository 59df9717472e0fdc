"""The sweep job: one call, in which Postgres evaluates all clients of a user that changed or are due."""

from __future__ import annotations

from uuid import UUID

from agent_service.execution import Handler
from agent_service.jobs import Job, Jobs
from agent_service.lease import Lease

__all__ = ["sweep_handler"]


def sweep_handler(jobs: Jobs) -> Handler:
    """Return a handler of sweeps; what one returns is the id of its job, since a sweep writes no single row."""

    async def handle(_: Job, lease: Lease) -> UUID:
        return await lease.hand_in(jobs.complete_sweep)

    return handle
