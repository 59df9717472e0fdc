grant execute on function agent.tg_deals__record_stage() to authenticated;

-- mend
revoke execute on function agent.tg_deals__record_stage() from authenticated;
