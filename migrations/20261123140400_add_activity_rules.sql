-- Why: the rules over what was said: silence, a message without an answer, something that went well.
-- Touches: new functions.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function agent.row_of(p_table text, p_id uuid) returns jsonb
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$ select jsonb_build_object('table', p_table, 'id', p_id) $$;
comment on function agent.row_of(text, uuid) is 'How evidence names a record.';

create function agent.draft_action(
  p_purpose text, p_contact_id uuid default null, p_deal_id uuid default null, p_hints text default null
) returns jsonb
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select jsonb_strip_nulls(jsonb_build_object('kind', 'draft', 'draft_type', 'email', 'purpose', p_purpose, 'contact_id', p_contact_id,
    'deal_id', p_deal_id, 'hints', p_hints))
$$;
comment on function agent.draft_action(text, uuid, uuid, text) is 'action_data that asks for the draft of a mail.';

create function agent.rule_unanswered_message_v1(p_facts agent.client_facts[], p_thresholds jsonb, p_now timestamptz)
returns setof agent.signal
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select f.client_id, 'unanswered_message', f.inbound_id, f.inbound_id::text,
    f.inbound_at + t.wait, f.inbound_at + t.most, interval '2 days', f.open_amount,
    'Answer ' || f.client_name,
    'Their last message has had no answer.',
    format('%s wrote or called on %s and has had no answer since; %s hours are the limit.', f.client_name, f.inbound_at::date,
      p_thresholds ->> 'hours'),
    jsonb_build_object(
      'rows', jsonb_build_array(agent.row_of('activities', f.inbound_id)),
      'expected', jsonb_build_object('answer_by', f.inbound_at + t.wait), 'actual', jsonb_build_object('inbound_at', f.inbound_at)
    ),
    agent.draft_action('follow_up', coalesce(f.inbound_contact_id, f.contact_id))
  from unnest(p_facts) as f
  cross join (
    select (p_thresholds ->> 'hours')::numeric * interval '1 hour' as wait, ((p_thresholds ->> 'most_days')::numeric) * interval '24 hours' as most
  ) as t
  where f.inbound_id is not null and p_now < f.inbound_at + t.most
$$;
comment on function agent.rule_unanswered_message_v1(agent.client_facts[], jsonb, timestamptz) is
'The newest mail or call came from the client and nothing has answered it for so many hours.';

-- The limit is the setting or the client's own rhythm, whichever was passed by more: the shorter of the two.
create function agent.rule_no_activity_v1(p_facts agent.client_facts[], p_thresholds jsonb, p_now timestamptz)
returns setof agent.signal
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select f.client_id, 'no_activity', f.last_activity_id, f.last_activity_id::text,
    greatest(f.last_activity_at + l.days * interval '24 hours', f.inbound_at + t.answer_days * interval '24 hours'),
    null::timestamptz, l.days * interval '24 hours', f.open_amount,
    'Follow up with ' || f.client_name,
    'Nothing has happened for longer than usual.',
    case when l.is_own
      then format('Nothing has happened with %s since %s, where something usually does within %s days.', f.client_name,
        f.last_activity_at::date, round(l.days, 1))
      else format('Nothing has happened with %s since %s; the limit is %s days.', f.client_name, f.last_activity_at::date,
        trim_scale(l.days))
    end,
    jsonb_build_object(
      'rows', jsonb_build_array(agent.row_of('activities', f.last_activity_id)),
      'expected', jsonb_build_object('days', round(l.days, 1), 'from', case when l.is_own then 'rhythm' else 'setting' end),
      'actual', jsonb_build_object('last_activity_at', f.last_activity_at)
    ),
    agent.draft_action('follow_up', f.contact_id)
  from unnest(p_facts) as f
  cross join (
    select (p_thresholds ->> 'days')::numeric as days, (p_thresholds ->> 'least_days')::numeric as least_days,
      (p_thresholds ->> 'least_gaps')::integer as least_gaps, (p_thresholds ->> 'answer_days')::numeric as answer_days
  ) as t
  cross join lateral (
    select least(t.days, o.days) as days, coalesce(o.days < t.days, false) as is_own
    from (select case when f.gaps >= t.least_gaps then greatest(f.gap_p90_days, t.least_days) end as days) as o
  ) as l
  where f.last_activity_id is not null and f.planned_at is null
$$;
comment on function agent.rule_no_activity_v1(agent.client_facts[], jsonb, timestamptz) is
'Nothing has happened for 7 days, or for longer than nine of ten of the client''s own gaps; not while something is planned, nor while '
'a message waits for its answer.';

create function agent.rule_positive_activity_v1(p_facts agent.client_facts[], p_thresholds jsonb, p_now timestamptz)
returns setof agent.signal
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select f.client_id, 'positive_activity', f.positive_id, f.positive_id::text,
    f.positive_at, f.positive_at + t.most, interval '7 days', f.open_amount,
    'Offer more to ' || f.client_name,
    'Something went well lately: a good moment to ask what else they need.',
    format('What happened with %s on %s is marked as positive.', f.client_name, f.positive_at::date),
    jsonb_build_object(
      'rows', jsonb_build_array(agent.row_of('activities', f.positive_id)),
      'expected', jsonb_build_object('within_days', (p_thresholds ->> 'most_days')::numeric),
      'actual', jsonb_build_object('positive_at', f.positive_at)
    ),
    agent.draft_action('check_in', coalesce(f.positive_contact_id, f.contact_id), null,
      'Build on what went well, and ask what else would help them.')
  from unnest(p_facts) as f
  cross join (select ((p_thresholds ->> 'most_days')::numeric) * interval '24 hours' as most) as t
  where f.positive_id is not null and p_now < f.positive_at + t.most
$$;
comment on function agent.rule_positive_activity_v1(agent.client_facts[], jsonb, timestamptz) is
'The newest activity of positive sentiment is at most 14 days old.';

revoke all on function
agent.row_of(text, uuid), agent.draft_action(text, uuid, uuid, text),
agent.rule_unanswered_message_v1(agent.client_facts[], jsonb, timestamptz),
agent.rule_no_activity_v1(agent.client_facts[], jsonb, timestamptz),
agent.rule_positive_activity_v1(agent.client_facts[], jsonb, timestamptz)
from public, anon, authenticated, service_role;
grant execute on function
agent.row_of(text, uuid), agent.draft_action(text, uuid, uuid, text),
agent.rule_unanswered_message_v1(agent.client_facts[], jsonb, timestamptz),
agent.rule_no_activity_v1(agent.client_facts[], jsonb, timestamptz),
agent.rule_positive_activity_v1(agent.client_facts[], jsonb, timestamptz)
to authenticated;
