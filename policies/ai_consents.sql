-- Generated from the catalog by `account-agent policies`; not to be edited. Table ai_consents.

-- What a client or a user agreed to or took back, append-only: the newest event of a subject and kind counts. Plain uuids: that somebody withdrew must be known for as long as data of theirs may come back.

alter table public.ai_consents enable row level security;
alter table public.ai_consents force row level security;

-- Nobody but its owner holds anything here.
