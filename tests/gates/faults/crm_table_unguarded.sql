drop trigger agent_guard_truncate on public.orders;

-- mend
select agent.guard_crm_tables();
