"""The doctor finds what is planted, says what mends it, and is content again once that was done."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from typing import Any

import httpx
import psycopg
import pytest
import typer
from pydantic import SecretStr

from agent_service._jwt import unverified_claims
from agent_service.database import migrate
from agent_service.doctor import Finding, examine
from agent_service.doctor import gateway as gateway_checks
from agent_service.settings import Settings
from tests.double.server import Double
from tests.mail_server import MailServerDouble


@pytest.fixture
def settings(stack: Any) -> Settings:
    return Settings(
        supabase_url=stack.url,
        supabase_publishable_key=stack.publishable_key,
        agent_worker_key=stack.worker_key(),
        database_url=stack.database_url,
        anthropic_api_key=None,
        anthropic_base_url=None,
    )


def found(settings: Settings, **changed: Any) -> list[Finding]:
    return list(examine(settings.model_copy(update=changed)))


def faults(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.check, one.sentence) for one in findings if one.status == "fault"]


def test_a_whole_installation_is_healthy(settings: Settings) -> None:
    findings = found(settings)
    assert faults(findings) == []
    assert {one.check for one in findings if one.status == "ok"} >= {
        "database", "migrations", "rights", "signing key", "worker keys", "PostgREST", "exposed schemas", "Auth",
        "clock", "trust", "hook",
    }  # fmt: skip
    assert {one.check for one in findings if one.status == "skipped"} == {"model", "mail"}


# What is done to the database, which check sees it, and what undoes it; where the mend is SQL, it is the doctor's own.
PLANTED = {
    "a table without row-level security": (
        "alter table public.ai_drafts no force row level security", "row_security_not_forced",
        "alter table public.ai_drafts force row level security",
    ),
    "a right too many": (
        "grant update on public.ai_drafts to authenticated", "update_granted",
        "revoke update on public.ai_drafts from authenticated",
    ),
    "a view with its owner's rights": (
        "alter view crm.deals set (security_invoker = false)", "view_with_owner_rights",
        "alter view crm.deals set (security_invoker = true)",
    ),
    "a guard that is gone": ("drop trigger agent_guard_write on public.tasks", "crm_table_unguarded", None),
    "no hook": ("alter role authenticator reset pgrst.db_pre_request", "request_hook", None),
    "no signing key": (
        "update agent.signing_keys set retired_at = now()", "signing key",
        "update agent.signing_keys set retired_at = null",
    ),
    "a migration that is not there": (
        "delete from supabase_migrations.schema_migrations where version = '20261123090100'", "migrations",
        "insert into supabase_migrations.schema_migrations (version) values ('20261123090100')",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_planted_is_found_and_its_mend_makes_it_well(settings: Settings, stack: Any, what: str) -> None:
    change, check, undo = PLANTED[what]
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(change.encode())
        try:
            mine = [one for one in found(settings, supabase_url=None) if one.check == check and one.status == "fault"]
        finally:
            told = undo
            if told is None:
                told = {"crm_table_unguarded": "select agent.guard_crm_tables();"}.get(
                    check, "alter role authenticator set pgrst.db_pre_request = 'agent.check_request'"
                )
            connection.execute(told.encode())
    assert len(mine) == 1
    assert mine[0].mend
    assert undo is not None or mine[0].mend.startswith(told)
    assert faults(found(settings)) == []


def test_a_host_policy_that_a_jobs_token_passes_is_a_warning(settings: Settings, stack: Any) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("create schema if not exists storage")
        connection.execute("create table storage.objects (id uuid, owner uuid)")
        connection.execute(
            "create policy mine on storage.objects for select to authenticated using (owner = auth.uid())"
        )
        try:
            (told,) = [one for one in found(settings, supabase_url=None) if one.check == "host policies"]
            assert told.status == "warning"
            connection.execute(str(told.mend).encode())
            assert [one for one in found(settings, supabase_url=None) if one.check == "host policies"] == []
        finally:
            connection.execute("drop schema storage cascade")


def test_keys_that_are_wrong(settings: Settings, stack: Any) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        (revoked,) = connection.execute("select agent.mint_worker_key('doctor', 1)").fetchone() or ("",)
        jti = unverified_claims(revoked)["jti"]
        connection.execute("select agent.revoke_worker_key(%s)", [jti])
    wrong = {
        "no worker key": SecretStr("nonsense"),
        "revoked": SecretStr(revoked),
        "does not trust our key": SecretStr(revoked.rpartition(".")[0] + "." + "A" * 43),
    }
    for words, key in wrong.items():
        told = [one for one in found(settings, database_url=None, agent_worker_key=key) if one.status == "fault"]
        assert [words in one.sentence for one in told] == [True], (words, told)
        assert all(one.mend for one in told)


def test_what_cannot_be_reached(settings: Settings) -> None:
    nowhere = "127.0.0.1:9"
    findings = found(
        settings,
        database_url=SecretStr(f"postgresql://postgres@{nowhere}/postgres"),
        supabase_url=f"http://{nowhere}",
        anthropic_base_url=f"http://{nowhere}",
        smtp_url=SecretStr(f"smtp://{nowhere}?starttls=no"),
    )
    assert [check for check, _ in faults(findings)] == ["database", "gateway", "model", "mail"]
    assert all(one.mend for one in findings if one.status == "fault")


def test_a_clock_that_is_wrong(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_checks, "time", lambda: time.time() + 60)  # nobody else's
    started = time.monotonic()
    told = dict(faults(found(settings, database_url=None)))
    took = time.monotonic() - started
    (ahead,) = re.findall(r"(\d+) s ahead", told["clock"])
    assert 60 <= int(ahead) <= 62 + took, "an answer's Date has whole seconds"


def test_a_model_and_a_mail_server_that_answer(settings: Settings) -> None:
    with Double() as double, MailServerDouble() as server:
        findings = found(
            settings,
            database_url=None,
            anthropic_base_url=double.url,
            anthropic_api_key=SecretStr("test-key"),
            smtp_url=SecretStr(server.url()),
        )
    assert {one.check: one.status for one in findings if one.check in ("model", "mail")} == {
        "model": "ok",
        "mail": "ok",
    }
    assert server.accepted == []


def test_before_installing_it_looks_at_the_ground(host_database: Any, settings: Settings) -> None:
    only = {"supabase_url": None, "database_url": SecretStr(host_database.dsn())}
    findings = found(settings, **only)
    assert faults(findings) == []
    assert {one.check: one.status for one in findings}["ground"] == "ok"
    with host_database.connect() as host:
        host.execute("alter table public.tasks disable row level security; create table public.ai_drafts ()")
    told = faults(found(settings, **only))
    assert len(told) >= 2
    assert {check for check, _ in told} == {"ground"}
    with host_database.connect() as host:
        host.execute("alter table public.tasks enable row level security; drop table public.ai_drafts")
    migrate(host_database.dsn())
    assert "signing key" in dict(faults(found(settings, **only)))


def test_the_command_says_it_in_words_and_in_json(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from agent_service.cli import doctor as command  # noqa: PLC0415

    for chosen, status, words in (
        (settings, 0, "Faults: 0."),
        (settings.model_copy(update={"supabase_url": "http://127.0.0.1:9"}), 1, "Faults: 1."),
    ):
        monkeypatch.setattr(command, "load_settings", lambda chosen=chosen: chosen)
        with pytest.raises(typer.Exit) as ended:
            command.doctor()
        said = capsys.readouterr().out
        assert (ended.value.exit_code, words in said) == (status, True), said
        with pytest.raises(typer.Exit) as ended:
            command.doctor(as_json=True)
        told = json.loads(capsys.readouterr().out)
        assert (ended.value.exit_code, told["healthy"]) == (status, status == 0)
        assert set(told["findings"][0]) == {field.name for field in dataclasses.fields(Finding)}
    monkeypatch.setattr(command, "load_settings", Settings.model_construct)
    with pytest.raises(typer.Exit) as ended:
        command.doctor()
    assert ended.value.exit_code == 2


def test_it_reads_no_secret_out_loud(settings: Settings) -> None:
    said = " ".join(f"{one.sentence} {one.mend}" for one in found(settings))
    assert settings.agent_worker_key is not None
    for secret in (settings.agent_worker_key, settings.database_url, settings.supabase_publishable_key):
        assert secret is not None
        assert secret.get_secret_value() not in said
    assert httpx.get(f"{settings.supabase_url}/auth/v1/health").status_code in (200, 401)
