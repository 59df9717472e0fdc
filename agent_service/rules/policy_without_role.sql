-- Every policy is to authenticated by name: without it, it is anon's and everybody's.
select name as offender
from our_policies
where polroles <> array['authenticated'::regrole::oid]
