-- Why: a provider that is down is not asked again by every job of every worker.
-- Touches: new table agent.providers and its functions.
-- Rollout: new objects only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table agent.providers (
  provider text primary key,
  failures integer not null default 0,
  failing_since timestamptz,
  last_outcome text,
  open_until timestamptz,
  constraint providers_failures_check check (failures >= 0)
);
comment on table agent.providers is
'The circuit breaker that all workers share: one row for each provider that ever failed, written only when something changes.';
comment on column agent.providers.failures is 'Attempts in a row that failed because of the provider.';
comment on column agent.providers.open_until is 'Nothing is asked before; after it one attempt is let through to try.';

create function agent.note_outcome(p_provider text, p_outcome text) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  c_failures constant integer := 5; -- so many in a row open the circuit
begin
  if p_outcome in ('provider_unavailable', 'provider_rate_limited') then
    insert into agent.providers as p (provider, failures, failing_since, last_outcome) values (p_provider, 1, now(), p_outcome)
    on conflict (provider) do update
    set failures = p.failures + 1, failing_since = coalesce(p.failing_since, now()), last_outcome = p_outcome,
      -- 15 seconds, doubling to 5 minutes with each attempt that was let through and failed
      open_until = case when p.failures + 1 >= c_failures
        then now() + make_interval(secs => least(300, 15 * 2 ^ least(p.failures + 1 - c_failures, 10)))
      end;
  elsif p_outcome in ('completed', 'unusable_output', 'invalid_output', 'refused', 'too_large') then
    update agent.providers set failures = 0, failing_since = null, open_until = null, last_outcome = p_outcome
    where provider = p_provider and failures > 0;
  end if;
end
$$;
comment on function agent.note_outcome(text, text) is
'Counts what the provider is to blame for; any answer of it ends the count. Granted to nobody.';

create function agent.require_provider(p_provider text) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_until timestamptz := (select open_until from agent.providers where provider = p_provider);
begin
  if v_until is null then
    return;
  end if;
  -- One of those who come after the pause is let through; it takes the next pause for all others.
  update agent.providers set open_until = now() + interval '60 seconds' where provider = p_provider and open_until <= now();
  if not found then
    raise exception using errcode = 'PT503', message = 'AI is temporarily unavailable.',
      detail = 'provider_unavailable: ' || greatest(1, ceil(extract(epoch from v_until - now()))), hint = 'It is tried again by itself.';
  end if;
end
$$;
comment on function agent.require_provider(text) is
'PT503 provider_unavailable with the seconds to wait while the circuit is open. Granted to nobody.';

alter table agent.providers enable row level security;
alter table agent.providers force row level security;
revoke all on table agent.providers from public, anon, authenticated, service_role;
revoke all on function
agent.note_outcome(text, text), agent.require_provider(text)
from public, anon, authenticated, service_role;
