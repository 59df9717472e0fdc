-- Every function of ours says set search_path = pg_catalog, pg_temp: with any other, public's names or a session's temporary types
-- come first.
select name as offender
from our_functions
where not coalesce(proconfig @> array['search_path=pg_catalog, pg_temp'], false)
