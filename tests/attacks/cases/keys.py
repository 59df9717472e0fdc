"""The signing secret, and what could tell it."""

from __future__ import annotations

from pathlib import Path

from tests.attacks.cases.answers import DENIED
from tests.attacks.cases.people import ADMIN, AGENT, EVERYBODY, OWNER, STRANGER, WORKER
from tests.attacks.model import Attack, Harmless, refused, rpc, sql

FILES = Path(__file__).parent.parent / "sql"


ATTACKS = [
    Attack(
        "key-vault",
        "Vault's tables, view and functions.",
        EVERYBODY,
        lambda s: [
            sql(text)
            for text in (
                "select string_agg(decrypted_secret, '') from vault.decrypted_secrets",
                "select string_agg(secret, '') from vault.secrets",
                "delete from vault.secrets",
                "update vault.secrets set secret = 'mine'",
                "select vault.create_secret('mine', 'mine')",
                f"select vault.update_secret('{s.owner}', 'mine')",
            )
        ],
        DENIED,
        hook=False,
    ),
    Attack(
        "key-files",
        "The server's files, programs and other servers.",
        EVERYBODY,
        lambda s: [
            sql(text)
            for text in (
                "select pg_read_file('PG_VERSION')",
                "select pg_read_binary_file('global/pg_filenode.map')",
                "select pg_ls_dir('.')",
                "select pg_stat_file('PG_VERSION')::text",
                "select lo_import('/etc/passwd')",
                "select lo_export(1, '/tmp/x')",
                "copy notes from '/etc/passwd'",
                "copy notes to '/tmp/x'",
                "copy notes from program 'id'",
                "copy notes to program 'cat'",
                "create extension dblink",
                "create extension file_fdw",
                "load 'auto_explain'",
                "select pg_reload_conf()",
                "select string_agg(rolpassword, '') from pg_authid",
                "select string_agg(passwd, '') from pg_shadow",
                "select count(*) from pg_hba_file_rules",
                "select pg_promote()",
                "create event trigger e on ddl_command_start execute function agent.tg_crm__refuse_agent()",
                "create publication p for all tables",
                "select pg_create_logical_replication_slot('s', 'pgoutput')",
            )
        ],
        refused("42501"),
        hook=False,
    ),
    Attack(
        "key-shown",
        "What the catalog, settings, plans and errors tell of the secret: nothing.",
        (OWNER, AGENT, STRANGER, ADMIN),
        lambda s: [
            sql(text)
            for text in (
                (
                    "select string_agg(pg_get_functiondef(oid), ' ') from pg_proc where pronamespace = "
                    "'agent'::regnamespace"
                ),
                "select string_agg(name || setting, ' ') from pg_settings",
                "select current_setting('app.settings.jwt_secret', true)",
                "select current_setting('pgrst.jwt_secret', true)",
                "select string_agg(setconfig::text, ' ') from pg_db_role_setting",
                "explain (verbose) select agent.is_admin(), agent.current_job_client_id()",
                "select string_agg(query, ' ') from pg_stat_activity where query !~ 'pg_stat_activity'",
                "select string_agg(pg_get_expr(polqual, polrelid), ' ') from pg_policy",
            )
        ],
        Harmless(),
        hook=False,
    ),
    Attack(
        "key-errors",
        "Errors of the functions that use it.",
        (WORKER,),
        lambda s: [
            rpc("heartbeat_job", p_job_token=token)
            for token in ("x.y.z", s.tokens["worker"], "eyJraWQiOiJ0ZXN0LWtpZCJ9.e30.x", "eyJraWQiOm51bGx9.e30.")
        ],
        refused("PT403", "invalid_job_token"),
    ),
    Attack(
        "key-lost",
        "A claim where no key signs: the job stays in the queue.",
        (WORKER,),
        lambda s: [rpc("claim_job", p_job_id=s.queued_job)],
        refused("PT500", "no_signing_key"),
        given="update agent.signing_keys set retired_at = now()",
        proves=("code agent.jwt_signature: retired", "guard agent.sign_jwt(*: no_signing_key"),
    ),
]
