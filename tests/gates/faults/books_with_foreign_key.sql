alter table public.ai_interactions add constraint ai_interactions_user_id_fkey
foreign key (user_id) references public.profiles (id) on delete cascade;

-- mend
alter table public.ai_interactions drop constraint ai_interactions_user_id_fkey;
