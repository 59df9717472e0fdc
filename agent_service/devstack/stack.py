"""The whole local stack in one object: Postgres, the shim, the sample CRM, our migrations, keys and the gateway."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jwt
import psycopg
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from agent_service._paths import sample_crm_dir
from agent_service.database import migrate
from agent_service.devstack._ports import HOST, require_free_port
from agent_service.devstack.errors import DevstackError
from agent_service.devstack.keys import StackKeys
from agent_service.devstack.postgres import PostgresServer
from agent_service.devstack.shim import DefaultPrivileges, apply_shim, has_shim
from agent_service.devstack.users import add_user

__all__ = ["Devstack"]

VAULT_NAME = "agent_jwt_secret"
WORKER_KEY_DAYS = 365


class Devstack:
    """Runs from `start` to `stop` in this process, the gateway in a thread of it.

    `data_dir` None is a throw-away stack. Ports that are None are free ones. `default_privileges` old stands for a
    Supabase project made before 2026-05-30. `pool_size`, read at the start: at most so many connections of the gateway.
    """

    pool_size = 10

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        pg_port: int | None = None,
        port: int | None = None,
        default_privileges: DefaultPrivileges = "new",
        bin_dir: Path | None = None,
    ) -> None:
        self.server = PostgresServer(data_dir, port=pg_port, bin_dir=bin_dir, durable=data_dir is not None)
        self._default_privileges: DefaultPrivileges = default_privileges
        self._wanted_port = port
        self._gateway: _Gateway | None = None
        self._keys: StackKeys | None = None
        self._worker_key: str | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def keys(self) -> StackKeys:
        """API keys and signing keys; kept in the data folder."""
        if self._keys is None:
            raise DevstackError("The stack has not been started.")
        return self._keys

    @property
    def url(self) -> str:
        """What clients call the Supabase URL."""
        if self._gateway is None:
            raise DevstackError("The stack is not running.")
        return f"http://{HOST}:{self._gateway.port}"

    @property
    def publishable_key(self) -> str:
        """The key that clients send and that opens nothing by itself."""
        return self.keys.publishable_key

    @property
    def database_url(self) -> str:
        """A login as `postgres`: for migrations, seeds and looking."""
        return self.server.dsn()

    @property
    def listen_url(self) -> str:
        """A login that may LISTEN and do nothing else."""
        return self.server.dsn("agent_listener")

    def start(self) -> None:
        """Return when the gateway answers. Raises DevstackError and leaves nothing running when a part cannot start."""
        if self._wanted_port is not None:
            require_free_port(self._wanted_port)
        self.server.start()
        try:
            self._install()
            self._serve()
        except BaseException:
            self.server.stop()
            raise

    def stop(self) -> None:
        """Stop the gateway, then Postgres; harmless when not running."""
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            gateway.stop()
        self.server.stop()

    def create_user(
        self, email: str, password: str, *, full_name: str, role: str = "user", is_anonymous: bool = False
    ) -> uuid.UUID:
        """Add a person who can sign in, and their profile; return the id."""
        with psycopg.connect(self.database_url) as connection:
            return add_user(connection, email, password, full_name=full_name, role=role, is_anonymous=is_anonymous)

    def trust_key(self, kid: str, secret: str) -> None:
        """Let the gateway verify with one more shared secret, as when a key joins a project's trusted keys."""
        self.keys.trust(kid, secret)
        self.keys.save(self._keys_file)

    def revoke_key(self, kid: str) -> None:
        """Take a shared secret out of what the gateway trusts; running requests end, the next ones get 401."""
        self.keys.revoke(kid)
        self.keys.save(self._keys_file)

    def env(self) -> dict[str, str]:
        """The settings of API and workers against this stack."""
        return {
            "SUPABASE_URL": self.url,
            "SUPABASE_PUBLISHABLE_KEY": self.publishable_key,
            "AGENT_WORKER_KEY": self.worker_key(),
            "AGENT_LISTEN_URL": self.listen_url,
            "DATABASE_URL": self.database_url,
        }

    def worker_key(self) -> str:
        """A worker key of this stack; a kept data folder keeps its key, so that a .env file stays right."""
        file = self.server.data_dir / "worker-key"
        with psycopg.connect(self.database_url) as connection:
            if self._worker_key is None and file.is_file():
                self._worker_key = _if_live(connection, file.read_text(encoding="ascii"))
            if self._worker_key is None:
                minted = connection.execute(
                    "select agent.mint_worker_key('devstack', %s)", [WORKER_KEY_DAYS]
                ).fetchone()
                self._worker_key = str(minted and minted[0])
                file.touch(mode=0o600)
                file.write_text(self._worker_key, encoding="ascii")
        return self._worker_key

    @property
    def _keys_file(self) -> Path:
        return self.server.data_dir / "keys.json"

    def _install(self) -> None:
        """Bring the database up to date; every step finds out itself whether it was done before."""
        if not self._keys_file.is_file():
            StackKeys.generate().save(self._keys_file)
        self._keys = StackKeys.load(self._keys_file)
        with psycopg.connect(self.database_superuser_url, autocommit=True) as admin:
            shimmed = has_shim(admin)
        if not shimmed:
            apply_shim(
                self.database_superuser_url,
                default_privileges=self._default_privileges,
                password=self.server.password,
            )
        with psycopg.connect(self.database_url) as connection:
            _install_sample_crm(connection)
        migrate(self.database_url)
        with psycopg.connect(self.database_url) as connection:
            _install_signing_key(connection, self.keys)

    @property
    def database_superuser_url(self) -> str:
        """A login as `supabase_admin`, which hosted projects do not give away."""
        return self.server.dsn("supabase_admin")

    def _serve(self) -> None:
        from agent_service.devstack.gateway.app import create_gateway  # noqa: PLC0415  slow, and not needed before

        listener = socket.create_server((HOST, self._wanted_port or 0), backlog=128)
        # asyncio sets it only on sockets that say IPPROTO_TCP; without it every answer waits 40 ms for a delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        app = create_gateway(
            dsn=self.server.dsn("authenticator"),
            auth_dsn=self.server.dsn("supabase_auth_admin"),
            keys=self.keys,
            url=url,
            pool_size=self.pool_size,
            rest=self._rest(),
        )
        self._gateway = _Gateway(app, listener)
        self._gateway.start()

    def _rest(self) -> ASGIApp | None:
        """Return what answers below /rest/v1 in place of the gateway's own."""
        return None


class _Gateway:
    """Uvicorn in a thread, on a socket that is bound already: nobody can take the port in between."""

    def __init__(self, app: Starlette, listener: socket.socket) -> None:
        self.port = int(listener.getsockname()[1])
        self._listener = listener
        # Clients close an idle connection after 5 s; a server that does so at that moment resets a request on its way.
        config = uvicorn.Config(
            app, log_level="warning", lifespan="on", timeout_graceful_shutdown=3, timeout_keep_alive=75
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="gateway", daemon=True)

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                self._listener.close()
                raise DevstackError("The gateway did not start; its log is above.")
            time.sleep(0.005)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=15)
        self._listener.close()


def _install_sample_crm(connection: psycopg.Connection[Any]) -> None:
    row = connection.execute("select to_regclass('public.clients')").fetchone()
    if row is None or row[0] is None:
        for file in sorted(sample_crm_dir().glob("*.sql")):
            connection.execute(file.read_bytes())


def _install_signing_key(connection: psycopg.Connection[Any], keys: StackKeys) -> None:
    """Put the agent's secret where only functions of `postgres` read it, and name it as the key that signs."""
    known = connection.execute("select 1 from agent.signing_keys").fetchone()
    if known is None:
        connection.execute(
            "select vault.create_secret(%s, %s, 'Signs the agent''s tokens')", [keys.agent_secret, VAULT_NAME]
        )
        connection.execute("select agent.add_signing_key(%s, %s)", [keys.agent_kid, VAULT_NAME])


def _if_live(connection: psycopg.Connection[Any], key: str) -> str | None:
    """Return `key` if the database still honours it for a day at least."""
    with contextlib.suppress(jwt.InvalidTokenError):
        claims = jwt.decode(key, options={"verify_signature": False})
        live = "select 1 from agent.worker_keys where jti = %s and revoked_at is null and expires_at > now() + '1 day'"
        if connection.execute(live, [claims.get("jti")]).fetchone():
            return key
    return None
