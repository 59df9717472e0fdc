"""Mails in every state, and what cannot stand in the table of those that were sent."""

from __future__ import annotations

__all__ = ["APPROVED", "BEGUN", "IMPOSSIBLE_SENDS", "OF_JOB", "OPEN", "SET_UP"]

SET_UP = "update ai_settings set mail_from = 'team@example.com'; update auth.users set email_confirmed_at = now();"
APPROVED = (
    f"{SET_UP} update ai_drafts set status = 'approved', approved_at = now(), approved_by = created_by "
    "where id = %(mail)s;"
)
OPEN = (
    "insert into ai_sends (draft_id, user_id, channel, state, content_hash) "
    "select id, created_by, 'smtp', 'queued', content_hash from ai_drafts where id = %(mail)s;"
)
BEGUN = "update ai_sends set state = 'begun', begun_at = now();"
# The agent's job is to send this mail.
OF_JOB = "update agent.jobs set kind = 'send' where id = %(agent_job)s; update ai_sends set job_id = %(agent_job)s;"
SETTING = "update public.ai_settings set {}"
SEND = (
    "insert into public.ai_sends (draft_id, user_id, channel, state, content_hash, ended_at, job_id) "
    "values ('{{mail}}', '{{owner}}', {})"
)
IMPOSSIBLE_SENDS = {
    "ai_settings_daily_sends_per_user_check": SETTING.format("daily_sends_per_user = -1"),
    "ai_settings_mail_from_check": SETTING.format("mail_from = 'nobody'"),
    "ai_settings_mail_from_name_check": SETTING.format("mail_from_name = e'The team\\nBcc: x@evil.example'"),
    "ai_settings_mail_signature_check": SETTING.format("mail_signature = repeat('x', 2001)"),
    "ai_settings_send_hold_seconds_check": SETTING.format("send_hold_seconds = 601"),
    "ai_sends_begun_at_check": SEND.format("'smtp', 'sent', 'x', now(), null"),
    "ai_sends_channel_check": SEND.format("'fax', 'undone', 'x', now(), null"),
    "ai_sends_ended_at_check": SEND.format("'smtp', 'queued', 'x', now(), null"),
    "ai_sends_state_check": SEND.format("'mailto', 'lost', 'x', now(), null"),
    "ai_sends_job_id_idx": (SEND + ", ('{{mail}}', '{{owner}}', {})").format(
        *["'mailto', 'undone', 'x', now(), '{agent_job}'"] * 2
    ),
    "ai_sends_draft_id_idx": (SEND + ", ('{{mail}}', '{{owner}}', {})").format(
        *["'mailto', 'sent', 'x', now(), null"] * 2
    ),
}
