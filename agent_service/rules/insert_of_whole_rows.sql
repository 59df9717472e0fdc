-- INSERT is granted by column, so that a column added later is not a client's to fill.
select name as offender
from our_grants
where role = 'authenticated' and kind = 'table' and privilege = 'INSERT'
