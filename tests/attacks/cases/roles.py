"""Roles and settings of the session: what SET ROLE and set_config reach, and what they do not."""

from __future__ import annotations

from tests.attacks.cases.answers import DENIED
from tests.attacks.cases.people import ADMIN, AGENT, AGENT_AFTER, ANON, OWNER, SERVICE_ROLE, WORKER
from tests.attacks.model import Attack, one_of, refused, sql


def become(user: object, more: str = "") -> str:
    """Claims of one's own making."""
    return f'{{"role": "authenticated", "sub": "{user}"{more}}}'


ROLES = (
    "postgres",
    "supabase_admin",
    "agent_listener",
    "supabase_auth_admin",
    "pg_read_all_data",
    "pg_execute_server_program",
)


ATTACKS = [
    Attack(
        "role-set",
        "SET ROLE to one that PostgREST may not become; SET SESSION AUTHORIZATION.",
        (OWNER, AGENT, ANON, WORKER),
        lambda s: [
            *(sql(f"set local role {role}") for role in ROLES),
            *(sql(f"select set_config('role', '{role}', true)") for role in ROLES),
            *(sql(f"set local session authorization {role}") for role in ROLES),
        ],
        one_of(DENIED, refused("22023")),
        hook=False,
    ),
    Attack(
        "role-service",
        "After `set role service_role`: our tables and functions are as closed to it.",
        (OWNER, AGENT),
        lambda s: [
            sql(f"set local role service_role; {text}")
            for text in (
                f"update ai_drafts set status = 'approved' where id = '{s.draft}'",
                "delete from agent.audit_log",
                "select * from agent.jobs",
                "insert into ai_interactions (user_id) values (null)",
                f"select public.approve_draft('{s.draft}', '{s.draft_hash}')",
                "select agent.mint_worker_key('mine', 1)",
                "select public.claim_jobs()",
                "select * from vault.decrypted_secrets",
            )
        ],
        DENIED,
        hook=False,
    ),
    Attack(
        "role-worker",
        "A person takes the worker's role, with and without claims of their own making.",
        (OWNER, AGENT),
        lambda s: [
            sql(f"{claims}set local role agent_worker; select public.claim_jobs()")
            for claims in (
                "",
                "select set_config('request.jwt.claims', '{\"role\": \"agent_worker\"}', true);",
                'select set_config(\'request.jwt.claims\', \'{"role": "agent_worker", "jti": "'
                + s.worker_revoked_jti
                + "\"}', true);",
            )
        ],
        refused("PT401", "worker_key_refused"),
        hook=False,
        proves=("code agent.claim_jobs_v1: live key",),
    ),
    Attack(
        "role-alter",
        "Settings and attributes of roles, of the database, of the system: the hook above all.",
        (OWNER, AGENT, SERVICE_ROLE, ANON, WORKER),
        lambda s: [
            sql(text)
            for text in (
                "alter role authenticator set pgrst.db_pre_request = ''",
                "alter role authenticator reset all",
                "alter role authenticated bypassrls",
                "alter role anon superuser",
                "alter role agent_worker login",
                "create role mine superuser",
                "grant postgres to authenticated",
                "grant agent_worker to anon",
                "alter database postgres set search_path = ''",
                "alter system set log_statement = 'all'",
                "drop role agent_worker",
                "alter user postgres password 'mine'",
                "revoke agent_worker from authenticator",
                "drop owned by postgres",
                "alter role authenticator in database postgres set role = 'postgres'",
            )
        ],
        one_of(refused("42501"), refused("25001"), refused("2BP01"), refused("42704")),
        hook=False,
    ),
    Attack(
        "role-claims-then-approve",
        "The agent rewrites its own claims in the middle of a request, and approves.",
        (AGENT, AGENT_AFTER),
        lambda s: [
            sql(
                f"select set_config('request.jwt.claims', '{become(s.owner, more)}', true);"
                f"select public.approve_draft('{s.draft}', '{s.draft_hash}')"
            )
            for more in ("", f', "session_id": "{s.agent_session}"', f', "session_id": "{s.owner}"')
        ],
        refused("PT401", "session_ended"),
        hook=False,
        proves=("guard agent.require_live_session: session_ended",),
    ),
    Attack(
        "role-claims-then-read-sessions",
        "To do better it needs a session of its user's, which it cannot read.",
        (AGENT, OWNER, ADMIN, ANON, WORKER),
        lambda s: [
            sql(text)
            for text in (
                "select string_agg(id::text, ' ') from auth.sessions",
                "select string_agg(token, ' ') from auth.refresh_tokens",
                "select string_agg(encrypted_password, ' ') from auth.users",
                f"insert into auth.sessions (id, user_id) values ('{s.agent_session}', '{s.owner}')",
                f"update auth.users set encrypted_password = 'x' where id = '{s.owner}'",
                "update auth.users set banned_until = null",
            )
        ],
        DENIED,
        hook=False,
    ),
]
