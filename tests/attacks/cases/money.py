"""Being told, or setting, what only admins may: budgets, prices, routes, switches, prompts, alerts."""

from __future__ import annotations

from tests.attacks.cases.answers import DENIED
from tests.attacks.cases.books import verbs, written
from tests.attacks.cases.completing import NOBODY
from tests.attacks.cases.people import (
    ADMIN,
    AGENT,
    AGENT_ADMIN,
    AGENT_AFTER,
    ANON,
    COLLEAGUE,
    DEAD_WORKERS,
    EVERYBODY,
    OWNER,
    SERVICE_ROLE,
    STRANGER,
)
from tests.attacks.cases.reading import FILLED, own
from tests.attacks.cases.working import NO_WORKER
from tests.attacks.model import Attack, Call, Nothing, refused, rpc, sql, sql_as_owner
from tests.attacks.scene import Scene

NOT_ADMIN = refused("PT403", "not_an_admin")
AI_OFF = refused("PT403", "ai_off")
OUT_OF_MONEY = refused("PT429", "budget_exhausted")
NOT_RESERVED = refused("PT409", "not_reserved")
IMMUTABLE = refused("PT409", "prompt_immutable")
SWITCHED_OFF = "insert into agent.ai_switches (scope, subject, reason) values ('{}', {}, 'x')"
NO_MONEY = "insert into ai_budgets (scope, user_id, period, {}) values ('user', %(owner)s, 'day', {})"


def reserve(token: object, **more: object) -> Call:
    return rpc(
        "reserve_budget",
        **{
            "p_job_token": token,
            "p_provider": "anthropic",
            "p_model": "claude-haiku-5-5",
            "p_input_tokens": 1000,
            "p_output_tokens": 1000,
            **more,
        },
    )


def settings(s: Scene) -> list[Call]:
    return [
        rpc("set_budget", p_scope="user", p_period="day", p_limit_usd=1_000_000),
        rpc("set_budget", p_scope="user", p_period="day", p_subject=s.owner),
        rpc("set_ai_switch", p_scope="organisation", p_subject="*", p_is_on=True),
        rpc("list_ai_switches"),
        rpc(
            "set_model_route", p_kind="draft", p_draft_type="*", p_purpose="*", p_model="claude-opus-5-5",
            p_degraded_model="claude-opus-5-5",
        ),
        rpc("list_model_routes"),
        rpc("acknowledge_alert", p_alert_id=NOBODY),
    ]  # fmt: skip


AGENT_ROWS = {
    "model_prices": ("input_usd = 0", "values ('anthropic', 'claude-haiku-5-5', now(), 0, 0, 0, 0, 0)"),
    "model_routes": ("model = 'x'", "values ('draft', 'memo', '*', 'claude-opus-5-5', 'claude-opus-5-5')"),
    "ai_switches": ("reason = 'x'", "(scope, subject, reason) values ('role', 'x', 'x')"),
    "ledger": ("spent_usd = 0", "(scope, user_id, period, starts_on) values ('user', gen_random_uuid(), 'day', now())"),
    "maintenance_runs": ("ran_at = 'infinity'", "values ('sweep', 'infinity')"),
    "request_slots": ("taken_at = '{}'", "values (gen_random_uuid(), 'context', '{}')"),
    "providers": ("failures = 0", "(provider, open_until) values ('anthropic', 'infinity')"),
    "batches": ("ended_at = now()", "(provider) values ('anthropic')"),
    "batch_items": (
        "context_version = 'x'",
        "(custom_id, batch_id, job_id) select x, x, x from gen_random_uuid() as x",
    ),
}

ATTACKS = [
    Attack(
        "money-tables",
        "Prices, budgets, the ledger, routes, switches, prompts, alerts and batches are written by hand: by everybody.",
        EVERYBODY,
        lambda s: [
            *(
                sql(text)
                for table, (change, row) in AGENT_ROWS.items()
                for text in (
                    f"update agent.{table} set {change}",
                    f"delete from agent.{table}",
                    f"truncate agent.{table}",
                    f"insert into agent.{table} {row}",
                )
            ),
            *verbs("ai_budgets", {"scope": "user", "user_id": s.owner, "period": "day", "limit_usd": 1000}),
            *verbs("ai_prompts", {"key": "draft.mine", "title": "Mine"}),
            *verbs(
                "ai_prompt_versions",
                {"prompt_id": NOBODY, "version": 2, "system": "Obey", "instructions": "x", "output_schema": {}},
            ),
            *verbs("ai_alerts", {"kind": "error_rate", "dedupe_key": "x", "severity": "critical", "message": "Click"}),
            *(
                sql(f"truncate {table} cascade")
                for table in ("ai_budgets", "ai_prompts", "ai_prompt_versions", "ai_alerts")
            ),
        ],
        DENIED,
        hook=False,
        proves=(
            *written(*(f"agent.{table}" for table in AGENT_ROWS)),
            *written("public.ai_budgets", "public.ai_prompts", "public.ai_prompt_versions", "public.ai_alerts"),
        ),
    ),
    Attack(
        "money-prompts-alone",
        "Prompts are written where no trigger, key or policy is in the way.",
        EVERYBODY,
        lambda s: [
            *verbs("ai_prompts", {"key": "draft.mine", "title": "Mine"}),
            *verbs(
                "ai_prompt_versions",
                {"prompt_id": NOBODY, "version": 2, "system": "Obey", "instructions": "x", "output_schema": {}},
            ),
            sql("update ai_prompt_versions set system = 'Obey'"),
            sql("truncate ai_prompts"),
            sql("truncate ai_prompt_versions"),
        ],
        DENIED,
        hook=False,
        given="alter table ai_prompts drop constraint ai_prompts_current_version_id_fkey;"
        "alter table ai_prompt_versions drop constraint ai_prompt_versions_prompt_id_fkey;"
        "alter table ai_prompt_versions disable trigger ai_prompt_versions_refuse_change;"
        "alter table ai_prompts disable row level security; alter table ai_prompt_versions disable row level security",
        proves=written("public.ai_prompts", "public.ai_prompt_versions"),
    ),
    Attack(
        "money-read",
        "Users, and the agent of an admin, read prompts, alerts and others' budgets.",
        (OWNER, STRANGER, AGENT, AGENT_ADMIN),
        lambda s: [
            sql(own("ai_budgets", "user_id")),
            *(
                sql(f"select string_agg(t::text, ' ') from {table} as t")
                for table in ("ai_prompts", "ai_prompt_versions", "ai_alerts")
            ),
        ],
        Nothing(),
        hook=False,
        given=FILLED,
        proves=tuple(
            f"{kind} public.{name}"
            for table, who in (
                ("ai_budgets", "concerned"),
                ("ai_prompts", "admin"),
                ("ai_prompt_versions", "admin"),
                ("ai_alerts", "admin"),
            )
            for kind, name in (("policy", f"{table}_select_{who}"), ("rls", table))
        ),
    ),
    Attack(
        "money-read-agent",
        "The agent reads its own user's budget.",
        (AGENT, AGENT_AFTER),
        lambda s: [sql("select string_agg(t::text, ' ') from ai_budgets as t")],
        Nothing(),
        hook=False,
        given=NO_MONEY.format("limit_usd", 5),
    ),
    Attack(
        "money-prompt-version",
        "A host's function with its owner's rights changes what a model was told.",
        (OWNER,),
        lambda s: [
            sql_as_owner("update public.ai_prompt_versions set system = 'Obey'"),
            sql_as_owner("delete from public.ai_prompt_versions"),
            sql_as_owner("truncate public.ai_prompt_versions cascade"),
        ],
        IMMUTABLE,
        proves=("trigger public.ai_prompt_versions.ai_prompt_versions_refuse_change",),
    ),
    Attack(
        "money-not-admin",
        "Users set budgets, switches and routes, and see to alerts.",
        (OWNER, COLLEAGUE, STRANGER),
        settings,
        NOT_ADMIN,
        proves=("guard agent.require_admin: not_an_admin",),
    ),
    Attack(
        "money-admins-agent",
        "The agent of an admin does, and one whose claims say that it is an admin, where nobody asks the hook.",
        (AGENT_ADMIN, AGENT.but(user_role="admin", app_metadata={"role": "admin"}), ADMIN.but(act=None)),
        settings,
        refused("PT403", "agent_refused"),
        hook=False,
    ),
    Attack(
        "money-not-worker",
        "Everybody but a worker reserves, sweeps and handles batches.",
        (OWNER, ADMIN, AGENT, AGENT_AFTER, SERVICE_ROLE, ANON),
        lambda s: [
            reserve(s.tokens["agent"]),
            rpc("run_maintenance", p_task="alerts"),
            rpc("start_batch", p_provider="anthropic", p_jobs=[{"token": s.tokens["agent"]}]),
            rpc("submit_batch", p_batch_id=NOBODY, p_provider_batch_id="x"),
            rpc("poll_batches", p_provider="anthropic"),
            rpc("end_batch", p_batch_id=NOBODY),
        ],
        DENIED,
        hook=False,
        proves=tuple(
            f"function public.{name}"
            for name in (
                "reserve_budget",
                "run_maintenance",
                "start_batch",
                "submit_batch",
                "poll_batches",
                "end_batch",
            )
        ),
    ),
    Attack(
        "money-dead-key",
        "A dead worker key does, where nobody asks the hook.",
        DEAD_WORKERS,
        lambda s: [
            reserve(s.tokens["agent"]),
            rpc("run_maintenance", p_task="sweep"),
            rpc("start_batch", p_provider="anthropic", p_jobs=[{"token": s.tokens["agent"]}]),
            rpc("submit_batch", p_batch_id=NOBODY, p_provider_batch_id="x"),
            rpc("poll_batches", p_provider="anthropic"),
            rpc("end_batch", p_batch_id=NOBODY),
        ],
        NO_WORKER,
        hook=False,
    ),
]
