grant execute on function agent.is_active_user(uuid) to authenticated;

-- mend
revoke execute on function agent.is_active_user(uuid) from authenticated;
