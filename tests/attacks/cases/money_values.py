"""What cannot stand in the tables of money, prompts, switches and alerts: a statement for each check and unique key."""

from __future__ import annotations

__all__ = ["IMPOSSIBLE_MONEY"]

VERSION = (
    "insert into public.ai_prompt_versions (prompt_id, version, system, instructions, output_schema, "
    "max_output_tokens) select prompt_id, {version}, {system}, {instructions}, {schema}, {tokens} "
    "from public.ai_prompt_versions limit 1"
)
SOUND = {"version": "2", "system": "'x'", "instructions": "'x'", "schema": "'{{}}'", "tokens": "1024"}
SWITCH = "insert into agent.ai_switches (scope, subject, reason) values ({})"
ALERT = "insert into public.ai_alerts (kind, dedupe_key, severity, message, count) values ({})"
BUDGET = "insert into public.ai_budgets (scope, period, limit_usd, limit_tokens) values ({})"
LEDGER = "insert into agent.ledger (scope, user_id, period, starts_on, spent_usd) values ({})"
PRICE = "update agent.model_prices set {} where model = 'claude-opus-5-5'"


def _version(**unsound: str) -> str:
    return VERSION.format(**SOUND | unsound)


IMPOSSIBLE_MONEY = {
    "ai_settings_per_minute_check": "update public.ai_settings set drafts_per_minute = -1",
    "model_prices_above_tokens_check": PRICE.format("above_tokens = -1"),
    "model_prices_batch_factor_check": PRICE.format("batch_factor = 2"),
    "model_prices_usd_check": PRICE.format("input_usd = -1"),
    "ai_prompts_key_check": "update public.ai_prompts set key = 'Not a key' where key = 'suggestions.analysis'",
    "ai_prompts_key_key": "update public.ai_prompts set key = 'draft.same'",
    "ai_prompt_versions_instructions_check": _version(instructions="''"),
    "ai_prompt_versions_max_output_tokens_check": _version(tokens="1"),
    "ai_prompt_versions_output_schema_check": _version(schema="'[]'"),
    "ai_prompt_versions_prompt_id_version_key": _version(version="1"),
    "ai_prompt_versions_system_check": _version(system="''"),
    "ai_prompt_versions_version_check": _version(version="0"),
    "ai_switches_reason_check": SWITCH.format("'role', 'x', ''"),
    "ai_switches_scope_check": SWITCH.format("'team', '00000000-0000-4000-8000-000000000000', 'x'"),
    "ai_switches_subject_check": SWITCH.format("'user', 'everybody', 'x'"),
    "ledger_amounts_check": LEDGER.format("'user', gen_random_uuid(), 'day', '2026-01-01', -1"),
    "ai_budgets_limit_tokens_check": BUDGET.format("'organisation', 'day', 1, -1"),
    "ai_budgets_limit_usd_check": BUDGET.format("'organisation', 'day', -1, 1"),
    "ai_budgets_period_check": BUDGET.format("'organisation', 'week', 1, 1"),
    "ai_budgets_scope_check": BUDGET.format("'team', 'day', 1, 1"),
    "providers_failures_check": "insert into agent.providers (provider, failures) values ('x', -1)",
    "ai_alerts_count_check": ALERT.format("'error_rate', 'x', 'critical', 'x', 0"),
    "ai_alerts_dedupe_key_key": f"{ALERT}, ({{}})".format(*["'error_rate', 'x', 'critical', 'x', 1"] * 2),
    "ai_alerts_kind_check": ALERT.format("'gossip', 'x', 'critical', 'x', 1"),
    "ai_alerts_message_check": ALERT.format("'error_rate', 'x', 'critical', '', 1"),
    "ai_alerts_severity_check": ALERT.format("'error_rate', 'x', 'mild', 'x', 1"),
    "ai_interactions_reserved_check": "update public.ai_interactions set reserved_usd = -1",
    "ai_interactions_job_id_unsettled_idx": (
        "update public.ai_interactions set settled_at = null, job_id = '{agent_job}'"
    ),
    "batches_provider_batch_id_check": "insert into agent.batches (provider, provider_batch_id) values ('x', '')",
}
