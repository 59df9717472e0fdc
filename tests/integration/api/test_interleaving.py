"""Many people at once on few connections: nobody is answered with what is another's."""

import asyncio
import os
import random
import uuid
from dataclasses import dataclass

import httpx
import pytest

from agent_service.supabase import Supabase
from tests.integration.api.conftest import Api, ApiOptions, settings_of

REQUESTS = int(os.environ.get("AGENT_INTERLEAVED_REQUESTS", "400"))  # `make drill`: 10,000
PEOPLE, CONNECTIONS = min(50, REQUESTS // 20), 5
DRAFTS = """
insert into public.ai_drafts (
  client_id, draft_type, content, created_by, purpose, language, generated_content, provider, expires_at
)
values (%s, 'memo', %s, %s, 'custom', 'en', 'x', 'offline', now() + interval '1 day') returning id
"""


@dataclass
class Owner:
    """A person with a client and a draft, in all of which their own mark stands."""

    mark: str
    token: str
    client_id: str
    draft_id: str

    @property
    def paths(self):
        return (
            f"/api/ai/context/{self.client_id}",
            "/api/ai/drafts",
            f"/api/ai/drafts/{self.client_id}",
            f"/api/ai/drafts/by-id/{self.draft_id}",
        )


@pytest.fixture
def owners(new_person, sql):
    found = []
    for _ in range(PEOPLE):
        person, mark = new_person(), uuid.uuid4().hex
        sql.execute("update public.clients set company = %s where id = %s", [mark, person.client_id])
        draft_id = sql.execute(DRAFTS, [person.client_id, mark, person.id]).fetchone()[0]
        found.append(Owner(mark, person.token.get_secret_value(), str(person.client_id), str(draft_id)))
    return found


@pytest.mark.drill
@pytest.mark.timeout(900)
def test_nobody_gets_what_is_anothers(stack, owners, sql):
    asked, answers = interleave(stack, owners, sql, requests=REQUESTS)
    found = foreign(owners, asked, answers)
    print(f"{REQUESTS} requests of {PEOPLE} people on {CONNECTIONS} connections: {len(found)} answers with another's")
    assert found == []
    for (asker, whose, kind), (status, text) in zip(asked, answers, strict=True):
        if asker is whose:
            assert (status, asker.mark in text) in ((200, True), (429, False))
        else:
            assert (status, kind) in ((404, 0), (404, 3), (200, 1), (200, 2))
    assert sum(status == 200 for status, _ in answers) > REQUESTS / 2


@pytest.mark.drill
@pytest.mark.timeout(900)
def test_a_token_that_is_kept_where_requests_share_it_is_found(stack, owners, sql, monkeypatch):
    """The control: the same, with a client that remembers whom it last asked for."""
    asking_for = Supabase._client

    def sharing(self, token):
        self._last, last = token, getattr(self, "_last", token)
        return asking_for(self, last)

    monkeypatch.setattr(Supabase, "_client", sharing)
    asked, answers = interleave(stack, owners, sql, requests=400)
    assert foreign(owners, asked, answers)


def interleave(stack, owners, sql, *, requests):
    """Everybody asks for their own and for others' things, one as often as the other."""
    sql.execute("update public.ai_settings set contexts_per_minute = 1000")
    chosen = random.Random(1)
    asked = []
    for _ in range(requests):
        asker, whose = chosen.choice(owners), chosen.choice(owners)
        asked.append((asker, chosen.choice((asker, whose)), chosen.randrange(4)))
    with Api(settings_of(stack), options=ApiOptions(max_connections=CONNECTIONS)) as api:
        return asked, asyncio.run(ask_all(api.base, asked))


def foreign(owners, asked, answers):
    """The answers with somebody else's mark."""
    marks = {owner.mark for owner in owners}
    return [
        (asker.mark, whose.mark, kind)
        for (asker, whose, kind), (_, text) in zip(asked, answers, strict=True)
        if any(mark in text for mark in marks - {asker.mark})
    ]


async def ask_all(base, asked):
    """Fifty at a time, in the order of the list; returns status and text of each."""
    room = asyncio.Semaphore(PEOPLE)  # a client's own queue takes the longer for each request the more are in it
    async with httpx.AsyncClient(base_url=base, timeout=60) as http:

        async def ask(asker, whose, kind):
            async with room:
                answer = await http.get(whose.paths[kind], headers={"Authorization": f"Bearer {asker.token}"})
            return answer.status_code, answer.text

        return await asyncio.gather(*(ask(*each) for each in asked))
