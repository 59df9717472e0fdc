"""What is kept of contexts, for how long and for whom."""

import asyncio
import json
import time
import uuid

import pytest
from pydantic import SecretStr

from agent_service.api.auth import Caller
from agent_service.api.contexts import Contexts
from agent_service.api.metrics import Metrics


class Postgres:
    """Answers as load_client_context does; each client's version is what the test says."""

    def __init__(self):
        self.versions = {}
        self.sent = 0

    async def rpc(self, name, params, *, token):
        assert name == "load_client_context"
        version = self.versions.get(params["p_client_id"], "v1")
        known = version in (params["p_shown"], params["p_kept"])
        self.sent += not known
        return {"version": version, "context": None if known else {"of": params["p_client_id"], "text": "x" * 1000}}


def caller():
    return Caller(uuid.uuid4(), SecretStr("token"), time.time() + 60)


@pytest.fixture
def postgres():
    return Postgres()


def load(contexts, who, client, shown=None):
    return asyncio.run(contexts.load(who, client, days=30, shown=shown))


def test_one_that_has_not_moved_is_sent_from_memory(postgres):
    contexts, ada, acme = Contexts(postgres, Metrics()), caller(), uuid.uuid4()
    first, second = load(contexts, ada, acme), load(contexts, ada, acme)
    assert first == second
    assert json.loads(first.body)["of"] == str(acme)
    assert postgres.sent == 1
    postgres.versions[str(acme)] = "v2"
    assert load(contexts, ada, acme).version == "v2"
    assert postgres.sent == 2


def test_of_one_person_for_one_person(postgres):
    contexts, acme = Contexts(postgres, Metrics()), uuid.uuid4()
    load(contexts, caller(), acme)
    load(contexts, caller(), acme)
    assert postgres.sent == 2


def test_what_the_reader_has_has_no_body(postgres):
    contexts = Contexts(postgres, Metrics())
    assert load(contexts, caller(), uuid.uuid4(), shown="v1").body is None


def test_memory_is_bounded_and_the_oldest_goes(postgres):
    contexts, ada, clients = (
        Contexts(postgres, Metrics(), memory_bytes=8_000),
        caller(),
        [uuid.uuid4() for _ in range(20)],
    )
    for client in clients:
        load(contexts, ada, client)
    load(contexts, ada, clients[-1])
    assert postgres.sent == 20
    load(contexts, ada, clients[0])
    assert postgres.sent == 21
