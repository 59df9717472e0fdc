-- Why: what only an administrator may do is refused in one place, and a job can end for want of money.
-- Touches: new function agent.require_admin; three failure codes.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

insert into agent.failure_codes (code, retryable, sentence) values
('unusable_output', true, 'What AI wrote could not be used. It will be tried again.'),
('ai_off', false, 'AI is switched off here. Write it yourself, or ask your administrator.'),
('budget_exhausted', false, 'The AI budget is used up for now. Write it yourself, or ask your administrator.');

create function agent.require_admin() returns uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp -- definer: it calls require_person
as $$
declare
  v_user_id uuid := agent.require_person();
begin
  if agent.is_admin() is not true then
    raise exception using errcode = 'PT403', message = 'Only an administrator may do this.', detail = 'not_an_admin',
      hint = 'Ask one.';
  end if;
  return v_user_id;
end
$$;
comment on function agent.require_admin() is 'The caller''s id if they are an admin and a person, or PT401, PT403.';

revoke all on function agent.require_admin() from public, anon, authenticated, service_role;
