grant execute on function agent.clean_text(text, integer) to public;

-- mend
revoke execute on function agent.clean_text(text, integer) from public;
