-- No policy reads user_metadata: its user may write it. app_metadata is the project's.
select name as offender
from our_policies
where expression ~ 'user_meta_?data'
