"""The local stack on real Postgres and PostgREST in containers. Auth stays our stand-in.

AGENT_CONTAINERS=1 has the shared stack of the integration suite run on it (`make test-containers`).
AGENT_POSTGRES_IMAGE and AGENT_POSTGREST_IMAGE name other images. testcontainers comes with the extra `containers`.
"""

import json
import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path

import httpx
import psycopg
import pytest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from agent_service.devstack.postgres import SETTINGS, SUPERUSER, THROW_AWAY, PostgresServer
from agent_service.devstack.stack import Devstack

WANTED = bool(os.environ.get("AGENT_CONTAINERS"))
POSTGRES_IMAGE = os.environ.get("AGENT_POSTGRES_IMAGE", "postgres:17")
POSTGREST_IMAGE = os.environ.get("AGENT_POSTGREST_IMAGE", "postgrest/postgrest:v14.1")
START_SECONDS = 60
OF_A_HOP = {"connection", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length"}


def require_docker():
    """End the run, saying why, unless Docker and testcontainers are there."""
    try:
        import docker  # noqa: PLC0415
        import testcontainers.core.container  # noqa: F401, PLC0415
    except ImportError:
        pytest.exit("AGENT_CONTAINERS needs testcontainers: pip install -e '.[containers]'", returncode=4)
    try:
        client = docker.from_env()
        try:
            client.ping()
        finally:
            client.close()
    except docker.errors.DockerException as exc:
        reason = str(exc).partition("\n")[0]
        pytest.exit(f"AGENT_CONTAINERS is set, but Docker does not answer: {reason}", returncode=4)


def container(image, network, alias):
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415

    return DockerContainer(image).with_network(network).with_network_aliases(alias)


class ContainerPostgres(PostgresServer):
    """A throw-away server, reached over a port of this machine, and as `postgres:5432` in `network`."""

    def __init__(self, network):
        super().__init__(None)
        self.network = network
        self.container = None

    def start(self):
        self._data_dir = Path(tempfile.mkdtemp(prefix="account-agent-"))
        (self.data_dir / "secret").write_bytes(secrets.token_bytes(32))
        settings = {**SETTINGS, **THROW_AWAY, "listen_addresses": "*"}
        self.container = (
            container(POSTGRES_IMAGE, self.network, "postgres")
            .with_env("POSTGRES_USER", SUPERUSER)
            .with_env("POSTGRES_DB", "postgres")
            .with_env("POSTGRES_PASSWORD", self.password(SUPERUSER))
            .with_env("POSTGRES_INITDB_ARGS", "--locale=C.UTF-8 --encoding=UTF8 --auth-host=scram-sha-256")
            .with_exposed_ports(5432)
            .with_command(["postgres", *(f"--{name}={value}" for name, value in settings.items())])
        )
        self.container.start()
        self._port = int(self.container.get_exposed_port(5432))
        wait_for(self._accepts, self.container)

    def stop(self):
        if self.container is not None:
            stop(self.container)
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def _accepts(self):
        try:
            psycopg.connect(self.dsn(SUPERUSER), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class Postgrest:
    """A PostgREST in a container, and the ASGI application that hands requests on to it."""

    def __init__(self, server, network, keys):
        self.keys = keys
        self.folder = server.data_dir / "postgrest"
        self.folder.mkdir(mode=0o755)
        self.write_keys()
        environment = {
            "PGRST_DB_URI": f"postgresql://authenticator:{server.password('authenticator')}@postgres:5432/postgres",
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_EXTRA_SEARCH_PATH": "public,extensions",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_MAX_ROWS": "1000",
            "PGRST_JWT_SECRET": "@/etc/account-agent/jwks.json",
        }
        self.container = container(POSTGREST_IMAGE, network, "postgrest").with_exposed_ports(3000)
        for name, value in environment.items():
            self.container.with_env(name, value)
        self.container.with_volume_mapping(str(self.folder), "/etc/account-agent", "ro").start()
        self.base = f"http://{self.container.get_container_host_ip()}:{self.container.get_exposed_port(3000)}"
        wait_for(self._answers, self.container)
        self.client = httpx.Client(base_url=self.base, timeout=60, limits=httpx.Limits(max_connections=100))

    def write_keys(self):
        file = self.folder / "jwks.json"
        file.write_text(json.dumps(self.keys.jwks_trusted()), encoding="utf-8")
        file.chmod(0o644)  # PostgREST runs as another user

    def read_keys_again(self):
        self.write_keys()
        self.container.get_wrapped_container().kill(signal="SIGUSR2")
        time.sleep(0.5)  # it does not say when it has

    def stop(self):
        self.client.close()
        stop(self.container)

    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        path = scope["raw_path"].decode().removeprefix("/rest/v1") or "/"
        query = scope["query_string"].decode()
        answer = await run_in_threadpool(  # not in this loop: its client could not be closed from outside
            self.client.request,
            request.method,
            f"{path}?{query}" if query else path,
            headers=[(name, value) for name, value in request.headers.items() if name not in OF_A_HOP],
            content=await request.body(),
        )
        response = Response(answer.content, answer.status_code)
        response.raw_headers = [
            (name, value)
            for name, value in answer.headers.raw
            if name.decode().lower() not in OF_A_HOP | {"content-encoding"}
        ] + [(b"content-length", str(len(answer.content)).encode())]
        await response(scope, receive, send)

    def _answers(self):
        try:
            return httpx.get(self.base, timeout=2).status_code < 500
        except httpx.TransportError:
            return False


def stop(container):
    container.stop()
    container.get_docker_client().client.close()


def wait_for(is_ready, container):
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        if time.monotonic() > deadline:
            out, err = container.get_logs()
            raise TimeoutError(f"{container.image} is not ready:\n{(out + err).decode()[-2000:]}")
        time.sleep(0.1)


class ContainerStack(Devstack):
    """The stack as tests know it. Rights, claims, errors and the hook are PostgREST's, not our reading of it."""

    def __init__(self):
        from testcontainers.core.network import Network  # noqa: PLC0415

        super().__init__(None)
        self.network = Network()
        self.server = ContainerPostgres(self.network)
        self.postgrest = None

    def start(self):
        self.network.create()
        try:
            super().start()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self.postgrest is not None:
            self.postgrest.stop()
            self.postgrest = None
        super().stop()
        self.network.remove()
        self.network._docker.client.close()

    def trust_key(self, kid, secret):
        super().trust_key(kid, secret)
        self.postgrest.read_keys_again()

    def revoke_key(self, kid):
        super().revoke_key(kid)
        self.postgrest.read_keys_again()

    def _rest(self):
        self.postgrest = Postgrest(self.server, self.network, self.keys)
        return self.postgrest
