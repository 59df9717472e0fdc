grant usage on sequence public.deal_stage_history_id_seq to authenticated;

-- mend
revoke usage on sequence public.deal_stage_history_id_seq from authenticated;
