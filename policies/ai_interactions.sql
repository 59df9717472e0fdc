-- Generated from the catalog by `account-agent policies`; not to be edited. Table ai_interactions.

-- One row per attempt to write: who, why, tokens, money, outcome. Plain uuids, kept 24 months; never prompt or response text.

alter table public.ai_interactions enable row level security;
alter table public.ai_interactions force row level security;

-- A user sees what was spent in their name.
create policy ai_interactions_select_owner on public.ai_interactions
  as permissive for select to authenticated
  using ((user_id = (select auth.uid())) AND ((select agent.is_agent()) IS NOT TRUE));

grant select on table public.ai_interactions to authenticated;

-- After an attempt was reserved: is a budget used up by 80 % with it?
CREATE TRIGGER ai_interactions_alert AFTER INSERT ON public.ai_interactions FOR EACH ROW WHEN ((new.reserved_usd > (0)::numeric)) EXECUTE FUNCTION agent.tg_ai_interactions__alert();
