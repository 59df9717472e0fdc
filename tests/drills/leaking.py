"""The control of the interleave drill: a gateway whose settings are the session's and not the transaction's."""

from __future__ import annotations

import json
from collections.abc import Callable

from agent_service.devstack.gateway.database import Caller, Database, Result
from agent_service.devstack.gateway.statements import Statement

__all__ = ["LeakingDatabase"]


class LeakingDatabase(Database):
    """Makes its settings on one connection and sends the statement on whichever is free next.

    It is what `set` behind a pooler in transaction mode does.
    """

    async def run(
        self, caller: Caller, statement: Statement, *, read_only: bool, check: Callable[[Result], None] | None
    ) -> Result:
        """Answer, as somebody."""
        catalog = await self.catalog()
        async with self._connection() as conn:
            await conn.execute("reset role")
            names = {"role": caller.role, "request.jwt.claims": json.dumps(caller.claims)}
            for name, value in names.items():
                await conn.execute("select set_config($1, $2, false)", [name, value])
            await conn.execute("select set_config('search_path', $1, false)", [f"{caller.schema}, public, extensions"])
        async with self._connection(authenticated=True) as conn, conn.cursor() as cursor:
            if catalog.pre_request:
                await conn.execute("select agent.check_request()")
            await cursor.execute(statement.query, statement.parameters)
            row = await cursor.fetchone()
            return Result(*row) if row else Result(None, 0, "[]", None, None, None)
