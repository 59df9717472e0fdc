"""What an attacker tries, what must come back, what must stay as it was; and each control removed, one at a time.

An attack is an `Attack` in `cases`: who tries it, what, what must come back, and in `proves` the controls that it shows
to be at work by itself. Where two layers stand behind one another, `given` takes the outer one away. It runs as
PostgREST would run it, on Postgres 18 and 15, and over HTTP; afterwards nothing may have changed and nothing may have
been shown that is not the caller's to see.

A control has a name in `mutations`: most are read from the catalog (policies, triggers, grants, checks, `if … then
raise`, the lines of a list of faults), parts of conditions are listed in `cuts`. Without any one of them the suite must
let an attack through, so a new policy, grant, check or guard is red until an attack proves it.
`python -m tests.attacks` lists all of it.
"""
