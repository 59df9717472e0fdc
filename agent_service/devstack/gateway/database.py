"""Runs one request as one transaction in the caller's role, over a small pool of authenticator's connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.pq import TransactionStatus
from psycopg.sql import SQL, Composed, Identifier
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from agent_service.devstack.gateway.catalog import Catalog, load_catalog
from agent_service.devstack.gateway.errors import RestError, from_postgres
from agent_service.devstack.gateway.statements import Statement

__all__ = ["ANON", "Caller", "Database", "Result"]

ANON = "anon"
RECONNECT_SECONDS = 1

# A refused request ends its pipeline early, and psycopg warns of the same error again: the caller has had it as answer.
logging.getLogger("psycopg").addFilter(lambda record: not record.getMessage().startswith("error ignored terminating"))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and how; what SQL sees as `request.*`."""

    claims: dict[str, Any]
    schema: str
    method: str
    path: str
    headers: dict[str, str]
    cookies: dict[str, str]

    @property
    def role(self) -> str:
        """The role that the transaction runs as."""
        role = self.claims["role"]
        return role if isinstance(role, str) else json.dumps(role)


class Result(NamedTuple):
    """The one row of every statement; `total` is null unless counted, `inserted` unless rows were merged."""

    total: int | None
    rows: int
    body: str
    headers: str | None
    status: str | None
    inserted: int | None


class Database:
    """The pool, the catalog, and the listener that reloads it on `notify pgrst`."""

    def __init__(
        self, dsn: str, schemas: Sequence[str], extra_search_path: Sequence[str], *, size: int, timeout: float
    ) -> None:
        self.schemas = schemas
        self._dsn = dsn
        self._extra_search_path = extra_search_path
        self._catalog: Catalog | None = None
        self._readings = 0
        self._loading = asyncio.Lock()
        options = {"autocommit": True, "cursor_factory": AsyncRawCursor}
        self._options: dict[str, Any] = options
        self.pool = AsyncConnectionPool(dsn, kwargs=options, min_size=1, max_size=size, timeout=timeout, open=False)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Connect in the background while the block runs; requests before that wait for their turn."""
        async with self.pool:
            listener = asyncio.create_task(self._listen())
            try:
                yield
            finally:
                listener.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listener

    async def catalog(self) -> Catalog:
        """Return the last reading of the catalog, or the first."""
        return self._catalog or await self.reload(None)

    async def reload(self, seen: Catalog | None) -> Catalog:
        """Read the catalog again, once for all who have `seen` the same one."""
        async with self._loading:
            if self._catalog is None or self._catalog is seen:
                async with self._connection() as conn:
                    self._catalog = await load_catalog(conn, self.schemas)
                self._readings += 1
            return self._catalog

    async def run(
        self, caller: Caller, statement: Statement, *, read_only: bool, check: Callable[[Result], None] | None
    ) -> Result:
        """Run the settings, the hook and the statement, and commit; what `check` raises undoes everything.

        All of it is sent at once. Only a check of a write makes the commit wait for the result, at a second round trip.
        """
        catalog = await self.catalog()
        # A prepared statement keeps the types its parameters had; after a reading of the catalog its text is another.
        query = SQL(f"/* {self._readings} */ ") + statement.query
        settings, values = self._settings(caller, catalog)
        waits = check is not None and not read_only
        async with self._connection(authenticated=caller.role != ANON) as conn, conn.cursor() as cursor:
            async with conn.pipeline():
                await conn.execute("begin read only" if read_only else "begin")
                await conn.execute(settings, values)
                if catalog.pre_request:
                    await conn.execute(_hook(catalog.pre_request))
                await cursor.execute(query, statement.parameters)
                if not waits:
                    await conn.execute("commit")
            row = await cursor.fetchone()
            result = Result(*row) if row else Result(None, 0, "[]", None, None, None)
            if check is not None:
                check(result)
            if waits:
                await conn.execute("commit")
            return result

    def _settings(self, caller: Caller, catalog: Catalog) -> tuple[SQL, list[str]]:
        path = ", ".join(_quoted(schema) for schema in (caller.schema, *self._extra_search_path))
        settings = {
            "search_path": path,
            **catalog.role_settings.get(caller.role, {}),
            "role": caller.role,
            "request.jwt.claims": json.dumps(caller.claims),
            "request.method": caller.method,
            "request.path": caller.path,
            "request.headers": json.dumps(caller.headers),
            "request.cookies": json.dumps(caller.cookies),
        }
        calls = ", ".join(f"set_config(${n}, ${n + 1}, true)" for n in range(1, 2 * len(settings), 2))
        return SQL(f"select {calls}"), [part for setting in settings.items() for part in setting]

    @asynccontextmanager
    async def _connection(self, *, authenticated: bool = False) -> AsyncIterator[AsyncConnection[Any]]:
        """Lend a connection; map what goes wrong to PostgREST's answers, and return it with no transaction open."""
        try:
            conn = await self.pool.getconn()
        except PoolTimeout as exc:
            raise await self._why_none() from exc
        try:
            yield conn
        except psycopg.Error as exc:
            raise from_postgres(exc, authenticated=authenticated) from exc
        finally:
            if conn.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN):
                with contextlib.suppress(psycopg.Error):
                    await conn.rollback()
            await self.pool.putconn(conn)

    async def _why_none(self) -> RestError:
        try:
            async with await AsyncConnection.connect(self._dsn, connect_timeout=2):
                return RestError("PGRST003", "Timed out acquiring connection from connection pool.")
        except psycopg.Error as exc:
            return from_postgres(exc, authenticated=False)

    async def _listen(self) -> None:
        while True:
            try:
                async with await AsyncConnection.connect(self._dsn, **self._options) as conn:
                    await conn.execute("listen pgrst")
                    await self.reload(self._catalog)  # what was announced while nobody listened
                    async for _ in conn.notifies():
                        await self.reload(self._catalog)
            except (psycopg.Error, RestError):
                await asyncio.sleep(RECONNECT_SECONDS)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _hook(name: str) -> Composed:
    return SQL("select {}()").format(Identifier(*name.split(".")))
