-- A function with its owner's rights lives in agent, which PostgREST never exposes.
select name as offender
from our_functions
where prosecdef and schema_name <> 'agent'
