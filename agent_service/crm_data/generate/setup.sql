-- Functions of one session that make the rows of a generated CRM. Every choice is a hash of the seed, what is chosen and a number, so
-- that the same seed, size and day make the same rows. Rates of the defects of real CRMs stand beside them.

create function pg_temp.seed() returns bigint
language sql stable as $$ select current_setting('generate.seed')::bigint $$;

create function pg_temp.today() returns timestamptz
language sql stable as $$ select current_setting('generate.today')::timestamptz $$;

-- At least 0, below 1.
create function pg_temp.roll(what text, n bigint) returns double precision
language sql stable as $$ select (hashint8extended(n, hashtextextended(what, pg_temp.seed())) >> 11) / 9007199254740992.0 + 0.5 $$;

create function pg_temp.pick(what text, n bigint, choices text[]) returns text
language sql stable as $$ select choices[1 + floor(pg_temp.roll(what, n) * cardinality(choices))::integer] $$;

-- A version-4 shaped uuid: browsers' validators look at that.
create function pg_temp.id(what text, n bigint) returns uuid
language sql stable as $$
  select overlay(overlay(md5(pg_temp.seed()::text || what || n) placing '4' from 13) placing '8' from 17)::uuid
$$;

create function pg_temp.days_ago(days double precision) returns timestamptz
language sql stable as $$ select date_trunc('minute', pg_temp.today() - days * interval '1 day') $$;

create temporary table people on commit drop as
select
  n, pg_temp.id('user', n) as id,
  pg_temp.pick('first', n, array['Ada', 'Bo', 'Cleo', 'Dov', 'Esme', 'Finn', 'Gwen', 'Hugo', 'Ilse', 'Jory', 'Kaia', 'Lev', 'Mina'])
  || ' '
  || pg_temp.pick('last', n, array['Abbot', 'Birch', 'Cole', 'Dane', 'Elm', 'Frost', 'Gale', 'Holt', 'Ives', 'Keel', 'Lorne', 'Marsh', 'Nash'])
  as full_name,
  case when n = 0 then 'admin@example.com' else 'seller' || n || '@example.com' end as email,
  case when n = 0 then 'admin' else 'user' end as role
from generate_series(0, current_setting('generate.owners')::bigint) as n;

-- Texts of 0.9 to 1.1 kB, each from ten sentences; activities choose among them.
create temporary table texts on commit drop as
select n, (
  select string_agg(pg_temp.pick('sentence', n * 100 + g, array[
      'We went through the open points one by one, and they want the two that concern delivery in writing before they decide.',
      'Their budget for the quarter is settled, the one for the next is not, so whatever slips now may slip by half a year.',
      'The new site manager asked whether training can be held on a Saturday, because the line must not stand still for it.',
      'They compare our offer with what their own workshop could build and will tell us by the end of next week.',
      'Nobody could say who signs; the purchasing lead thinks it is the plant director, the plant director thinks it is purchasing.',
      'The pilot runs without a fault since the second week, and the shift leads have begun to ask for the reports themselves.',
      'I promised the drawings for Tuesday and a call with our service team on the day after.',
      'Price came up twice; each time it was the running cost and not the first invoice that worried them.',
      'They liked the short response time in our care plan and asked for last year''s figures to show upstairs.',
      'Their auditor wants to see where the measured data is kept and for how long, a page would be enough.',
      'One of the units arrived with a bent bracket; a new one is on its way and they were calm about it.',
      'We agreed to speak again after their works council has met, which should be within this month.'
    ]), ' ' order by g)
  from generate_series(1, 10) as g
) as content
from generate_series(0, 999) as n;

-- Few people have many clients: the square of an even choice. 2 % have lost their owner.
create temporary table made on commit drop as
select
  n, pg_temp.id('client', n) as id,
  case when pg_temp.roll('no owner', n) >= 0.02 then pg_temp.id('user', 1 + floor(
    pg_temp.roll('owner', n) ^ 2 * current_setting('generate.owners')::bigint)::bigint) end as owner_id,
  pg_temp.pick('firm', n, array['Alder', 'Bracken', 'Cinder', 'Dapple', 'Ember', 'Fathom', 'Gannet', 'Heron', 'Juniper', 'Linden'])
  || ' '
  || pg_temp.pick('trade', n, array['Foods', 'Robotics', 'Clinics', 'Freight', 'Textiles', 'Glass', 'Paper', 'Optics'])
  || ' ' || n as name,
  floor(current_setting('generate.activities')::integer * (0.5 + pg_temp.roll('activities', n)) + 0.5)::integer as activities,
  (3 * pg_temp.roll('contacts', n))::integer + 1 as contacts,
  (4 * pg_temp.roll('deals', n))::integer as deals,
  (3 * pg_temp.roll('tasks', n))::integer as tasks,
  (4 * pg_temp.roll('orders', n))::integer as orders
from generate_series(1, current_setting('generate.clients')::bigint) as n;
create index on made (n);
analyze made;
