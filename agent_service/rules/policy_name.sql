-- A policy's name says table, command and who: <table>_<command>_<who>.
select name as offender
from our_policies
where command <> 'all' and polname !~ ('^' || relname || '_' || command || '_[a-z_]+$')
