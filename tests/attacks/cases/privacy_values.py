"""What cannot stand in the tables of consents, holds and retention: a statement for each check and unique key."""

from __future__ import annotations

__all__ = ["IMPOSSIBLE_PRIVACY"]

HOLD = "insert into agent.legal_holds (client_id, user_id, reason, set_by, lifted_at) values ({})"
CONSENT = "insert into public.ai_consents (client_id, user_id, kind, granted, reason) values ({})"
LISTED = "insert into agent.data_tables (relation, place, client_id, aged_at, on_age, on_erase, kept) values ({})"

IMPOSSIBLE_PRIVACY = {
    "ai_settings_retention_days_check": "update public.ai_settings set retention_days = 0",
    "legal_holds_lifted_at_check": HOLD.format("'{bolt}', null, 'x', '{owner}', now()"),
    "legal_holds_reason_check": HOLD.format("'{bolt}', null, '', '{owner}', null"),
    "legal_holds_subject_check": HOLD.format("'{bolt}', '{owner}', 'x', '{owner}', null"),
    "legal_holds_client_id_idx": f"{HOLD}, ({{}})".format(*["'{bolt}', null, 'x', '{owner}', null"] * 2),
    "legal_holds_user_id_idx": f"{HOLD}, ({{}})".format(*["null, '{owner}', 'x', '{owner}', null"] * 2),
    "ai_consents_kind_check": CONSENT.format("'{bolt}', null, 'selling', true, null"),
    "ai_consents_reason_check": CONSENT.format("'{bolt}', null, 'email', true, ''"),
    "ai_consents_subject_check": CONSENT.format("null, null, 'email', true, null"),
    "audit_log_hash_check": "update agent.audit_log set hash = 'x'",
    "audit_log_chain_position_idx": (
        "update agent.audit_log set chain_position = 1, details_hash = 'x', previous_hash = 'x', hash = 'x'"
    ),
    "audit_anchors_count_key": "insert into agent.audit_anchors (count, head_hash) values (1, 'x'), (1, 'x')",
    "data_tables_kept_check": LISTED.format("'x', 1, null, null, null, null, null"),
    "data_tables_on_age_check": LISTED.format("'x', 1, null, null, 'delete', null, 'x'"),
    "data_tables_on_erase_check": LISTED.format("'x', 1, null, null, null, 'delete', null"),
}
