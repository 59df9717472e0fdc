-- A policy for update says both which rows (using) and what they may become (with check).
select name as offender
from our_policies
where command = 'update' and not (has_using and has_check)
