-- A policy asks who is calling once a query, in a select of its own, (select auth.uid()), and not once a row.
select name as offender
from our_policies
where regexp_replace(expression, '\( SELECT (auth|agent)\.\w+\(\) AS \w+\)', '', 'g') ~ '\m(auth|agent)\.\w+\(|\mcurrent_setting\('
