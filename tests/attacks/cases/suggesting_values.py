"""Suggestions in every state, and what cannot stand in their tables."""

from __future__ import annotations

__all__ = ["ACCEPTED", "IMPOSSIBLE_SUGGESTIONS", "OF_SUGGESTIONS", "OF_SWEEP", "PENDING"]

PENDING = (
    "insert into agent_suggestions (id, client_id, assigned_to, suggestion_type, title, reasoning, rule_key, score, "
    "dedupe_key, action_data) values ('00000000-0000-4000-8000-00000000516e', %(acme)s, %(owner)s, 'follow_up', "
    "'hush-Acme', 'x', 'no_activity', 50, 'x', '{\"kind\": \"task\", \"title\": \"x\"}');"
)
ACCEPTED = (
    PENDING + "update agent_suggestions set status = 'accepted', resolved_at = now() - interval '1 hour', "
    "resolved_by = %(owner)s, result = jsonb_build_object('kind', 'task', 'id', %(apex_task)s, 'row', 'x');"
)
# The agent's job is to sweep its user's clients.
OF_SWEEP = "update agent.jobs set kind = 'sweep', client_id = null, request_id = null where id = %(agent_job)s;"

SUGGESTION = (
    "insert into public.agent_suggestions (client_id, assigned_to, suggestion_type, title, rule_key, score, "
    "dedupe_key, {}) "
    "values ('{{acme}}', '{{owner}}', {}, 'x', 'x', {}, 'y', {})"
)
RULE = "update agent.suggestion_rules set {}"


def one(column: str, value: str, *, kind: str = "'follow_up'", score: int = 1) -> str:
    return SUGGESTION.format(column, kind, score, value)


IMPOSSIBLE_SUGGESTIONS = {
    "agent_suggestions_suggestion_type_check": one("source", "'rule'", kind="'approve'"),
    "agent_suggestions_priority_check": one("priority", "null"),
    "agent_suggestions_status_check": one("status", "null"),
    "agent_suggestions_resolved_at_check": one("status", "'accepted'"),
    "agent_suggestions_source_check": one("source", "'person'"),
    "agent_suggestions_score_check": one("source", "'rule'", score=101),
    "agent_suggestions_dismiss_reason_check": one("dismiss_reason", "repeat('x', 501)"),
    "agent_suggestions_assigned_to_client_id_dedupe_key_idx": one("source", "'rule'") + ", "
    "('{acme}', '{owner}', 'follow_up', 'x', 'x', 1, 'y', 'rule')",
    "client_insights_summary_check": "insert into public.client_insights (client_id, user_id, insights, computed_from, "
    "summary) values ('{acme}', '{owner}', '{{}}', '{{}}', '')",
    "suggestion_rules_stance_check": RULE.format("stance = 'greedy'"),
    "suggestion_rules_watches_check": RULE.format("watches = 'profiles'"),
    "suggestion_rules_weight_check": RULE.format("weight = 3"),
}

OF_SUGGESTIONS = {
    "agent.is_evaluating",
    "agent.is_won",
    "agent.stage_statistics_v1",
    "agent.without_ai_v1",
    "agent.client_facts_v1",
    "agent.lacking",
    "agent.weekly_volume_v1",
    "agent.response_times_v1",
    "agent.best_hour_v1",
    "agent.stage_pace_v1",
    "agent.deal_figures_v1",
    "agent.trend_of",
    "agent.engagement_v1",
    "agent.signs_of",
    "agent.client_intelligence_v1",
    "agent.insight_basis_v1",
    "agent.store_insights_v1",
    "agent.intelligence",
    "public.get_client_intelligence",
    "public.refresh_client_intelligence",
    "agent.row_of",
    "agent.draft_action",
    "agent.open_deals_v1",
    *(
        f"agent.rule_{rule}_v1"
        for rule in (
            "unanswered_message",
            "no_activity",
            "positive_activity",
            "stalled_deal",
            "close_date_passed",
            "unlikely_close",
            "overdue_task",
            "order_rhythm_broken",
            "anniversary",
        )
    ),
    "agent.suggestion_rules_v1",
    "agent.signals_v1",
    "agent.refused_evidence_v1",
    "agent.begin_evaluation_v1",
    "agent.evaluate_v1",
    "agent.store_evaluation_v1",
    "agent.finish_sweep_v1",
    "public.complete_sweep_job",
    "agent.is_evaluation_due_v1",
    "agent.rank_words",
    "agent.suggestion_page",
    "agent.list_suggestion_rules_v1",
    "agent.set_suggestion_rule_v1",
    "public.list_suggestions",
    "public.list_suggestion_rules",
    "public.set_suggestion_rule",
    "agent.begin_accept_v1",
    "agent.finish_accept_v1",
    "agent.execute_action",
    "public.accept_suggestion",
    "agent.undo_draft",
    "agent.begin_undo_v1",
    "public.undo_suggestion",
    "agent.dismiss_suggestion_v1",
    "public.dismiss_suggestion",
    "agent.snooze_suggestion_v1",
    "public.snooze_suggestion",
}
