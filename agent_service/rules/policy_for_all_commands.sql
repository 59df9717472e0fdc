-- One policy for one command: a policy for all of them grants what nobody thought of.
select name as offender
from our_policies
where command = 'all'
