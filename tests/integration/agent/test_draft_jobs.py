"""From a person's request to the draft, through Postgres, the gateway, the official client and a real worker."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import psycopg
import pytest
from pydantic import SecretStr

from agent_service.drafts import draft_handler
from agent_service.errors import NotFoundError, RequestRefusedError, StaleFenceError
from agent_service.execution import Execution
from agent_service.jobs import Jobs
from agent_service.llm.offline import OfflineProvider, OfflineWriter
from agent_service.llm.protocol import DraftText
from agent_service.writing import Providers
from workers.listener import listen
from workers.runner import Runner, RunnerOptions

TEXT = DraftText(subject="Subject", content="Content.", language="en", provider="offline", model="stub/1")


def offline(writer=None):
    return Providers(OfflineProvider(writer))


async def request(supabase, person, draft_type="email", purpose="follow_up", **options):
    params = {"p_client_id": str(person.client_id), "p_draft_type": draft_type, "p_purpose": purpose, **options}
    return await supabase.rpc("request_draft", params, token=person.token)


async def drafts_of(supabase, person):
    return await supabase.select("ai_drafts", token=person.token, client_id=str(person.client_id))


async def drain(jobs, writer=None):
    runner = Runner(jobs, {"draft": draft_handler(jobs, offline(writer))}, RunnerOptions(once=True))
    return await runner.run()


@contextmanager
def worker(stack, *args, **environment):
    with subprocess.Popen(
        [sys.executable, "-m", "agent_service.cli", "work", *args],
        env=os.environ | stack.env() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_requests_become_drafts_that_only_their_user_sees(stack, on_stack, person, new_person, sql):
    other = new_person()

    async def ask(supabase, _jobs):
        for draft_type in ("email", "note", "task", "memo"):
            await request(supabase, person, draft_type, p_hints="mention the warranty")
        await request(supabase, other, "email", p_language="de")

    on_stack(ask)
    with worker(stack, "--once", "--json") as process:
        output, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert json.loads(output)["ended"] == {"done": 5}

    async def read(supabase, _jobs):
        return (
            await drafts_of(supabase, person),
            await drafts_of(supabase, other),
            await supabase.select("ai_drafts", token=other.token, client_id=str(person.client_id)),
            await supabase.select("ai_draft_requests", token=person.token),
        )

    mine, theirs, foreign, requests = on_stack(read)
    assert {row["draft_type"] for row in mine} == {"email", "note", "task", "memo"}
    assert {row["provider"] for row in mine} == {"offline"}
    assert {row["created_by"] for row in mine} == {str(person.id)}
    assert {row["state"] for row in requests} == {"done"}
    assert foreign == []
    email = next(row for row in mine if row["draft_type"] == "email")
    assert email["content"].startswith("Hi Dana,\n\nThank you for your email of ")
    assert email["content"].endswith(person.name)
    assert email["recipient"] == person.contact_email
    assert email["context_snapshot"]["client"]["id"] == str(person.client_id)
    assert {fact["kind"] for fact in email["grounding"]["facts"]} == {"activity", "contact", "deal"}
    assert [row["language"] for row in theirs] == ["de"]
    outcomes = sql.execute("select outcome from public.ai_interactions where user_id = %s", [person.id]).fetchall()
    assert outcomes == [("completed",)] * 4


@pytest.mark.parametrize("listening", [True, False], ids=["notify", "polling"])
def test_a_running_worker_takes_a_request_and_stops_on_sigterm(stack, on_stack, person, sql, listening):
    with worker(stack, AGENT_LISTEN_URL=stack.listen_url if listening else "") as process:
        on_stack(lambda supabase, _jobs: request(supabase, person))
        limit = time.monotonic() + 20
        while not sql.execute("select 1 from public.ai_drafts where created_by = %s", [person.id]).fetchone():
            assert time.monotonic() < limit
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        output, log = process.communicate(timeout=40)
    assert process.returncode == 0
    assert output.startswith("Stopped: 1 done")
    assert ("listener.connected" in log) == listening
    assert "Dana" not in log


def test_a_notification_wakes_a_worker_long_before_its_next_look(stack, on_stack, person):
    async def run(supabase, jobs):
        options = RunnerOptions(poll_min=50, poll_max=50)
        runner = Runner(jobs, {"draft": draft_handler(jobs, offline())}, options)
        connected = asyncio.Event()

        def wake():
            connected.set()
            runner.wake()

        listening = asyncio.create_task(listen(SecretStr(stack.listen_url), wake))
        running = asyncio.create_task(runner.run())
        await connected.wait()
        await asyncio.sleep(0.3)
        asked_at = time.monotonic()
        await request(supabase, person)
        while not await drafts_of(supabase, person):  # noqa: ASYNC110 - what we wait for is in the database
            await asyncio.sleep(0.02)
        took = time.monotonic() - asked_at
        runner.stop()
        await running
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        return took

    assert on_stack(run) < 5


def test_the_listener_comes_back_after_its_connection_was_cut(stack, sql, on_stack):
    async def run(_supabase, _jobs):
        woken = asyncio.Queue()
        listening = asyncio.create_task(
            listen(SecretStr(stack.listen_url), lambda: woken.put_nowait(1), retry_min=0.05)
        )
        await woken.get()
        cut = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'agent_listener'"
        await asyncio.to_thread(_as_superuser, stack, cut)
        await asyncio.wait_for(woken.get(), 10)  # it wakes the worker on connecting again
        await asyncio.to_thread(sql.execute, "notify agent_jobs")
        await asyncio.wait_for(woken.get(), 10)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    on_stack(run)


def _as_superuser(stack, statement):
    with psycopg.connect(stack.database_superuser_url, autocommit=True) as connection:
        connection.execute(statement)


def test_a_stale_worker_writes_nothing_and_the_other_writes_once(on_stack, person, sql):
    async def run(supabase, jobs):
        await request(supabase, person)
        (first,) = await jobs.claim(["draft"], limit=1, lease_seconds=60)
        await asyncio.to_thread(sql.execute, "update agent.jobs set due_at = now() - interval '1 second'")
        (second,) = await jobs.claim(["draft"], limit=1, lease_seconds=60)
        assert (second.id, second.fence) == (first.id, first.fence + 1)

        for refused in (
            jobs.complete_draft(first.token, TEXT, snapshot={}, usage={}),
            jobs.heartbeat(first.token, lease_seconds=60),
            jobs.fail(first.token, "internal_error"),
            jobs.context(first.token, person.client_id, days=30),
        ):
            with pytest.raises(StaleFenceError):
                await refused
        assert await drafts_of(supabase, person) == []

        draft_id = await jobs.complete_draft(second.token, TEXT, snapshot={}, usage={})
        assert await jobs.complete_draft(second.token, TEXT, snapshot={}, usage={}) == draft_id
        assert len(await drafts_of(supabase, person)) == 1

    on_stack(run)


def test_a_heartbeats_token_completes_and_so_does_the_one_before(on_stack, person):
    async def run(supabase, jobs):
        await request(supabase, person)
        (job,) = await jobs.claim(["draft"], limit=1, lease_seconds=60)
        beat = await jobs.heartbeat(job.token, lease_seconds=120)
        assert beat.token.get_secret_value() != job.token.get_secret_value()
        assert beat.lease_expires_at > job.lease_expires_at
        await jobs.context(beat.token, person.client_id, days=30)
        await jobs.complete_draft(beat.token, TEXT, snapshot={}, usage={})
        assert len(await drafts_of(supabase, person)) == 1

    on_stack(run)


class DisturbedWriter(OfflineWriter):
    """Changes the world between the reading and the writing."""

    def __init__(self, sql, statement, values):
        super().__init__()
        self.change = (sql, statement, values)

    async def write(self, brief, /):
        sql, statement, values = self.change
        await asyncio.to_thread(sql.execute, statement, values)
        return await super().write(brief)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("delete from auth.users where id = %(user)s", "user_inactive"),
        ("update auth.users set banned_until = now() + interval '1 day' where id = %(user)s", "user_inactive"),
        ("update auth.users set deleted_at = now() where id = %(user)s", "user_inactive"),
        ("update public.clients set owner_id = null where id = %(client)s", "client_not_found"),
        ("delete from public.clients where id = %(client)s", "client_not_found"),
    ],
    ids=["user deleted", "user banned", "user soft-deleted", "client taken away", "client deleted"],
)
def test_what_is_lost_between_request_and_completion_is_not_written(on_stack, person, sql, statement, code):
    values = {"user": person.id, "client": person.client_id}

    async def run(supabase, jobs):
        await request(supabase, person)
        return await drain(jobs, DisturbedWriter(sql, statement, values))

    summary = on_stack(run)
    assert summary.codes == {code: 1}
    assert summary.ended["done"] == 0
    assert sql.execute("select count(*) from public.ai_drafts where client_id = %(client)s", values).fetchone() == (0,)
    state, failure = sql.execute("select state, failure_code from agent.jobs").fetchone()
    assert (state, failure) == ("cancelled" if code == "user_inactive" else "failed", code)


def test_a_job_given_back_costs_no_attempt_and_is_due_at_once(on_stack, person, sql):
    class Waiting(OfflineWriter):
        async def write(self, brief, /):
            execution.give_back()
            await asyncio.sleep(30)
            return await super().write(brief)

    async def run(supabase, jobs):
        nonlocal execution
        await request(supabase, person)
        (job,) = await jobs.claim(["draft"], limit=1, lease_seconds=60)
        execution = Execution(job, draft_handler(jobs, offline(Waiting())), jobs=jobs, lease_seconds=60)
        outcome = await execution.run()
        assert (outcome.state, outcome.code) == ("returned", "returned")
        attempts = await asyncio.to_thread(lambda: sql.execute("select attempts from agent.jobs").fetchone())
        assert attempts == (0,)
        return await drain(jobs)

    execution = None
    assert on_stack(run).ended == {"done": 1}


def test_a_jobs_token_opens_nothing_else(on_stack, person, new_person):
    other = new_person()

    async def run(supabase, jobs):
        await request(supabase, person)
        (job,) = await jobs.claim(["draft"], limit=1, lease_seconds=60)
        draft_id = await jobs.complete_draft(job.token, TEXT, snapshot={}, usage={})
        with pytest.raises(RequestRefusedError):
            await jobs.context(job.token, other.client_id, days=30)
        with pytest.raises(RequestRefusedError):
            await supabase.rpc("approve_draft", {"p_draft_id": str(draft_id), "p_content_hash": "x"}, token=job.token)
        with pytest.raises(RequestRefusedError):
            await supabase.select("clients", token=job.token)

    on_stack(run)


def test_a_person_may_not_claim(on_stack, person):
    async def run(supabase, _jobs):
        with pytest.raises((RequestRefusedError, NotFoundError)):
            await Jobs(supabase, person.token).claim(["draft"], limit=1, lease_seconds=60)

    on_stack(run)


def test_a_revoked_worker_key_is_exit_code_2(stack, sql):
    key = sql.execute("select agent.mint_worker_key('revoked', 1)").fetchone()[0]
    sql.execute("update agent.worker_keys set revoked_at = now() where name = 'revoked'")
    with worker(stack, "--once", AGENT_WORKER_KEY=key) as process:
        output, log = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "revoked" in output + log
