"""Every fault of a provider ends in its right state, after the right number of attempts, with the right money."""

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from decimal import Decimal

import pytest
from pydantic import SecretStr

from agent_service.drafts import draft_handler
from agent_service.errors import ServerFailedError
from agent_service.execution import Execution
from agent_service.llm.anthropic import AnthropicProvider
from agent_service.llm.offline import OfflineProvider
from agent_service.writing import INTERACTIVE_TRIES, Providers
from tests.double import KEY, Double
from tests.double.faults import (
    ConnectionClosed,
    ConnectionReset,
    ContextWindowExceeded,
    EmptyTurn,
    EndsEarly,
    ErrorEvent,
    Forbidden,
    InvalidRequest,
    MaxTokens,
    NoAnswer,
    NotFound,
    NotJson,
    Overloaded,
    OwnSpendLimitReached,
    PaymentRequired,
    PromptTooLong,
    RateLimited,
    RefusalAfterText,
    RefusalBeforeText,
    ResetMidStream,
    ServerError,
    SpendLimitReached,
    Stall,
    StopsWith,
    TooLarge,
    TruncatedChunk,
    Unauthenticated,
)

LEASE = 60
SILENCE = 0.7  # seconds without a byte until the client gives up
TRIES = INTERACTIVE_TRIES


@dataclass(frozen=True)
class Ending:
    """What a fault must come to. tries: of an interactive request; a background job has one for each claim.

    money: `none` where the request was turned away, `told` where the answer said what it cost, `estimate` otherwise.
    """

    code: str
    state: str
    tries: int
    money: str


AWAY = Ending("provider_unavailable", "queued", TRIES, "estimate")
TURNED_AWAY = Ending("provider_unavailable", "queued", TRIES, "none")
UNUSABLE = Ending("unusable_output", "queued", TRIES, "told")
NOT_ACCEPTED = Ending("provider_refused", "queued", 1, "none")

FAULTS = {
    "429, Retry-After 1": (RateLimited(retry_after=1), Ending("provider_rate_limited", "queued", TRIES, "none")),
    "429, Retry-After 120": (RateLimited(retry_after=120), Ending("provider_rate_limited", "queued", 1, "none")),
    "spend limit": (SpendLimitReached(), NOT_ACCEPTED),
    "own spend limit": (OwnSpendLimitReached(), NOT_ACCEPTED),
    "529": (Overloaded(), TURNED_AWAY),
    "500": (ServerError(), AWAY),
    "400": (InvalidRequest(), NOT_ACCEPTED),
    "400, prompt too long": (PromptTooLong(), Ending("too_large", "failed", 1, "none")),
    "401": (Unauthenticated(), NOT_ACCEPTED),
    "402": (PaymentRequired(), NOT_ACCEPTED),
    "403": (Forbidden(), NOT_ACCEPTED),
    "404": (NotFound(), NOT_ACCEPTED),
    "413": (TooLarge(), Ending("too_large", "failed", 1, "none")),
    "connection closed": (ConnectionClosed(), AWAY),
    "connection reset": (ConnectionReset(), AWAY),
    "read timeout": (NoAnswer(), AWAY),
    "silence mid-stream": (Stall(), AWAY),
    "reset mid-stream": (ResetMidStream(), AWAY),
    "truncated chunk": (TruncatedChunk(), AWAY),
    "overload mid-stream, status 200": (ErrorEvent(), AWAY),
    "clean end, no stop reason": (EndsEarly(), AWAY),
    "max_tokens": (MaxTokens(), Ending("too_large", "failed", 1, "told")),
    "context window exceeded": (ContextWindowExceeded(), Ending("too_large", "failed", 1, "told")),
    "refusal before text": (RefusalBeforeText(), Ending("refused", "failed", 1, "told")),
    "refusal after text": (RefusalAfterText(), Ending("refused", "failed", 1, "told")),
    "empty end_turn": (EmptyTurn(), UNUSABLE),
    "not JSON": (NotJson(), UNUSABLE),
    "tool_use": (StopsWith(stop_reason="tool_use"), UNUSABLE),
    "pause_turn": (StopsWith(stop_reason="pause_turn"), UNUSABLE),
}


@pytest.fixture
def double():
    with Double() as double:
        yield double


@pytest.fixture
def attempt(on_stack, person, sql, double):
    """Ask for a draft, claim that very job and work on it once; returns the outcome and the request's row."""

    async def run(supabase, jobs, url, interactive):
        params = {"p_client_id": str(person.client_id), "p_draft_type": "email", "p_purpose": "follow_up"}
        request = await supabase.rpc("request_draft", params | {"p_interactive": interactive}, token=person.token)
        job = await jobs.claim_one(request["job_id"], lease_seconds=LEASE)
        model = AnthropicProvider(SecretStr(KEY), base_url=url, silence_seconds=SILENCE)
        try:
            handler = draft_handler(jobs, Providers(OfflineProvider(), model))
            outcome = await Execution(job, handler, jobs=jobs, lease_seconds=LEASE).run()
        finally:
            await model.aclose()
        (row,) = await supabase.select("ai_draft_requests", token=person.token, id=request["id"])
        drafts = await supabase.select("ai_drafts", token=person.token, request_id=request["id"])
        return outcome, row, drafts

    return lambda *, url=None, interactive: on_stack(run, url or double.url, interactive)


def attempts_of(sql, person):
    """The attempts of this person as the books have them, the oldest first."""
    rows = sql.execute(
        "select outcome, reserved_usd, cost_usd, input_tokens, output_tokens, provider,"
        " settled_at is not null as settled from public.ai_interactions"
        " where user_id = %s and provider <> 'offline' order by created_at, id",
        [person.id],
    )
    names = [column.name for column in rows.description]
    return [dict(zip(names, row, strict=True)) for row in rows]


def check_money(sql, person, rows, money):
    """Each attempt is settled as it should be, and the ledger holds their sum to the last digit."""
    for row in rows:
        assert row["settled"]
        assert row["reserved_usd"] > 0
        if money == "none":
            assert row["cost_usd"] == 0
        elif money == "estimate":
            assert row["cost_usd"] == row["reserved_usd"]
        else:
            assert 0 < row["cost_usd"] < row["reserved_usd"]
            assert (
                row["cost_usd"] == (row["input_tokens"] * Decimal(2) + row["output_tokens"] * Decimal(10)) / 1_000_000
            )
    ledger = sql.execute("select spent_usd, reserved_usd from agent.ledger where user_id = %s", [person.id]).fetchall()
    assert len(ledger) == 2  # a day and a month
    assert {tuple(row) for row in ledger} == {(sum(row["cost_usd"] for row in rows), Decimal(0))}


@pytest.mark.parametrize("name", FAULTS)
def test_a_background_job_waits_or_ends_with_its_reason(attempt, double, person, sql, name):
    fault, ending = FAULTS[name]
    double.script.rule(fault)
    outcome, request, drafts = attempt(interactive=False)
    assert (outcome.state, outcome.code) == (ending.state, ending.code)
    assert drafts == []
    assert request["state"] == ending.state
    assert request["error"]
    rows = attempts_of(sql, person)
    assert [row["outcome"] for row in rows] == [ending.code]
    assert len(double.requests) == 1
    check_money(sql, person, rows, ending.money)
    wait, counted = sql.execute("select extract(epoch from due_at - now()), attempts from agent.jobs").fetchone()
    # What is known to have cost nothing is the provider's trouble, and costs the job none of its attempts.
    assert counted == (0 if ending.money == "none" and ending.state == "queued" else 1)
    if name == "429, Retry-After 120":
        assert 110 < wait <= 120
    elif ending.state == "queued":
        assert 0 < wait <= 20


@pytest.mark.parametrize("name", FAULTS)
def test_an_interactive_request_gets_a_template_that_says_so(attempt, double, person, sql, name):
    fault, ending = FAULTS[name]
    double.script.rule(fault)
    outcome, request, drafts = attempt(interactive=True)
    assert outcome.state == "done"
    (draft,) = drafts
    assert draft["provider"] == "offline"
    assert draft["notice"] == "AI is temporarily unavailable: this is a template."
    assert request["state"] == "done"
    rows = attempts_of(sql, person)
    assert [row["outcome"] for row in rows] == [ending.code] * ending.tries
    assert len(double.requests) == ending.tries
    check_money(sql, person, rows, ending.money)


@pytest.mark.parametrize("interactive", [False, True])
def test_a_host_that_takes_no_connection_costs_nothing(attempt, person, sql, monkeypatch, interactive):
    """A full backlog drops what would open a connection, as a firewall does: the connect timeout."""
    monkeypatch.setattr("agent_service.llm.anthropic.CONNECT_SECONDS", 0.3)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        outcome, _, _ = attempt(url=f"http://127.0.0.1:{server.getsockname()[1]}", interactive=interactive)
    assert outcome.state == ("done" if interactive else "queued")
    rows = attempts_of(sql, person)
    assert [row["outcome"] for row in rows] == ["provider_unavailable"] * (TRIES if interactive else 1)
    check_money(sql, person, rows, "none")


@pytest.mark.parametrize("interactive", [False, True])
def test_nobody_listening_costs_nothing(attempt, double, person, sql, interactive):
    with double.refusing():
        outcome, _, _ = attempt(interactive=interactive)
    assert outcome.state == ("done" if interactive else "queued")
    check_money(sql, person, attempts_of(sql, person), "none")


def test_a_job_waits_for_a_provider_for_a_day(attempt, double, person, sql):
    """However often it is turned away, which costs nothing; then it is the dead letter."""
    double.script.rule(Unauthenticated())
    sql.execute("alter table agent.jobs alter column max_attempts set default 1")
    try:
        outcome, request, _ = attempt(interactive=False)
        assert (outcome.state, outcome.code) == ("queued", "provider_refused")
        assert request["error"].endswith("It will be tried again.")
        assert sql.execute("select count from public.ai_alerts where kind = 'provider_refused'").fetchone()
        for _ in range(3):
            sql.execute("delete from agent.providers")
            outcome, request, _ = attempt(interactive=False)
            assert outcome.state == "queued"
        waits = sql.execute("select extract(epoch from due_at - now()) from agent.jobs").fetchone()[0]
        assert 100 < waits <= 120, "15 s, doubled three times"
        sql.execute("update agent.jobs set created_at = now() - interval '25 hours'")
        sql.execute("delete from agent.providers")
        outcome, request, _ = attempt(interactive=False)
        assert (outcome.state, request["state"]) == ("failed", "failed")
    finally:
        sql.execute("alter table agent.jobs alter column max_attempts set default 5")


def test_a_fault_that_passes_is_tried_again_while_a_person_waits(attempt, double, person, sql):
    double.script(Overloaded(), NotJson())
    outcome, _, (draft,) = attempt(interactive=True)
    assert outcome.state == "done"
    assert (draft["provider"], draft["model"], draft["notice"]) == ("anthropic", "claude-sonnet-5-5", None)
    rows = attempts_of(sql, person)
    assert [row["outcome"] for row in rows] == ["provider_unavailable", "unusable_output", "completed"]
    total = sql.execute("select spent_usd from agent.ledger where user_id = %s", [person.id]).fetchone()[0]
    assert total == sum(row["cost_usd"] for row in rows) > 0


def test_an_open_circuit_asks_nobody(attempt, double, person, sql):
    sql.execute(
        "insert into agent.providers (provider, failures, failing_since, open_until)"
        " values ('anthropic', 5, now(), now() + interval '1 minute')"
    )
    outcome, _, _ = attempt(interactive=False)
    assert (outcome.state, outcome.code) == ("queued", "provider_unavailable")
    assert sql.execute("select extract(epoch from due_at - now()) > 50 from agent.jobs").fetchone() == (True,)
    sql.execute("delete from agent.jobs")
    sql.execute("delete from public.ai_draft_requests where user_id = %s", [person.id])
    outcome, _, (draft,) = attempt(interactive=True)
    assert (outcome.state, draft["provider"]) == ("done", "offline")
    assert draft["notice"]
    assert double.requests == []
    assert attempts_of(sql, person) == [] or {row["provider"] for row in attempts_of(sql, person)} == {"none"}


@pytest.mark.parametrize("interactive", [False, True])
def test_without_a_budget_nothing_is_asked_and_nothing_written(attempt, double, person, sql, interactive):
    sql.execute(
        "insert into public.ai_budgets (scope, user_id, period, limit_usd) values ('user', %s, 'day', 0.001)",
        [person.id],
    )
    outcome, request, drafts = attempt(interactive=interactive)
    assert (outcome.state, outcome.code, drafts) == ("failed", "budget_exhausted", [])
    assert "It resumes on " in request["error"]
    assert double.requests == []


def test_a_model_that_outlasts_the_lease_is_left(on_stack, person, sql, double):
    """The heartbeat is refused, so the lease runs out in the middle of the answer."""
    double.script.rule(NoAnswer())

    async def run(supabase, jobs):
        params = {"p_client_id": str(person.client_id), "p_draft_type": "note", "p_purpose": "follow_up"}
        request = await supabase.rpc("request_draft", params, token=person.token)
        job = await jobs.claim_one(request["job_id"], lease_seconds=10)

        async def no_heartbeat(*_args, **_options):
            raise ServerFailedError

        jobs.heartbeat = no_heartbeat
        model = AnthropicProvider(SecretStr(KEY), base_url=double.url)
        handler = draft_handler(jobs, Providers(OfflineProvider(), model))
        started = asyncio.get_running_loop().time()
        execution = Execution(job, handler, jobs=jobs, lease_seconds=2)
        outcome = await execution.run()
        await model.aclose()
        return outcome, asyncio.get_running_loop().time() - started

    outcome, seconds = on_stack(run)
    assert outcome.state != "done"
    assert seconds < 6
    (received,) = double.requests
    assert received.ended is not None
