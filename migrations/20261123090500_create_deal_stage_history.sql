-- Why: CRMs keep a deal's stage and not when it came to it; "stuck for 14 days" needs the date.
-- Touches: new table deal_stage_history; two triggers on public.deals where the contract's default view reads it.
-- Rollout: short lock on deals for the trigger. Deals of today start with one row at their opening date.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

create table public.deal_stage_history (
  id bigint generated always as identity primary key,
  deal_id uuid not null,
  client_id uuid,
  from_stage text,
  to_stage text not null,
  changed_by uuid,
  changed_at timestamptz not null default now(),
  constraint deal_stage_history_client_id_fkey foreign key (client_id) references public.clients (id) on delete cascade
);
comment on table public.deal_stage_history is
'When each deal came to each stage. Written by trigger; a CRM whose deals live elsewhere has its adapter write it.';
comment on column public.deal_stage_history.deal_id is 'No foreign key: the table of deals belongs to the host and may be behind a view.';

create index deal_stage_history_deal_id_changed_at_idx on public.deal_stage_history (deal_id, changed_at desc);
create index deal_stage_history_client_id_idx on public.deal_stage_history (client_id);

-- Not auth.uid(): it raises for a subject that is no uuid, and a host's integration with such a token writes deals, too.
create function agent.caller_id() returns uuid
language sql stable set search_path = ''
as $$
  select case when c.sub ~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$' then c.sub::uuid end
  from (
    select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb ->> 'sub' as sub
  ) as c
$$;
comment on function agent.caller_id() is 'The caller''s user id where there is one; never raises. Granted to nobody.';

-- Definer, both: nobody holds INSERT here, and a user who may move a deal must not need it. Neither may ever fail the host's
-- own write: a null stage is passed over, a client that is gone becomes null.
create function agent.tg_deals__record_first_stage() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  insert into public.deal_stage_history (deal_id, client_id, to_stage, changed_by, changed_at)
  select n.id, c.id, n.stage, (select agent.caller_id()), coalesce(n.closed_at, n.opened_at, now())
  from new_rows as n
  left join public.clients as c on c.id = n.client_id
  where n.stage is not null;
  return null;
end
$$;
comment on function agent.tg_deals__record_first_stage() is
'AFTER INSERT statement trigger of public.deals: a bulk load of 8,000 deals is one insert here, not 8,000.';

create function agent.tg_deals__record_stage() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  insert into public.deal_stage_history (deal_id, client_id, from_stage, to_stage, changed_by)
  values (new.id, (select id from public.clients where id = new.client_id), old.stage, new.stage, (select agent.caller_id()));
  return null;
end
$$;
comment on function agent.tg_deals__record_stage() is
'AFTER UPDATE row trigger of public.deals, fired only where the stage moved (its WHEN is evaluated without calling it).';

do $trigger$
begin
  if exists (select from agent.crm_base_tables() as t (relid) where t.relid = to_regclass('public.deals'))
    and (
      select count(*) = 5 from pg_catalog.pg_attribute
      where attrelid = to_regclass('public.deals') and not attisdropped
        and attname in ('id', 'client_id', 'stage', 'opened_at', 'closed_at')
    ) then
    create trigger agent_record_first_stage after insert on public.deals
    referencing new table as new_rows for each statement execute function agent.tg_deals__record_first_stage();
    create trigger agent_record_stage after update on public.deals
    for each row when (new.stage is not null and old.stage is distinct from new.stage)
    execute function agent.tg_deals__record_stage();

    insert into public.deal_stage_history (deal_id, client_id, to_stage, changed_at)
    select d.id, c.id, d.stage, coalesce(d.closed_at, d.opened_at, now())
    from public.deals as d
    left join public.clients as c on c.id = d.client_id
    where d.stage is not null;
  end if;
end
$trigger$;

alter table public.deal_stage_history enable row level security;
alter table public.deal_stage_history force row level security;

create policy deal_stage_history_select_deal_visible on public.deal_stage_history for select to authenticated
using (exists (select from crm.deals as d where d.id = deal_stage_history.deal_id));
comment on policy deal_stage_history_select_deal_visible on public.deal_stage_history is 'Who sees the deal sees its history.';

revoke all on table public.deal_stage_history from public, anon, authenticated, service_role;
revoke all on sequence public.deal_stage_history_id_seq from public, anon, authenticated, service_role;
revoke all on function agent.caller_id(), agent.tg_deals__record_first_stage(), agent.tg_deals__record_stage()
from public, anon, authenticated, service_role;
grant select on table public.deal_stage_history to authenticated;
