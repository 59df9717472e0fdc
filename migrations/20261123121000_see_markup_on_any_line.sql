-- Why: a link's definition ("[1]: /path") is markup on whichever line it stands, not on the first alone; filler text begins with a capital.
-- Touches: replaces agent.has_markup and agent.find_unfinished.
-- Rollout: new bodies only.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create or replace function agent.has_markup(p_text text) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp
as $$
  -- A scheme, a host that begins with www, a Markdown link or image, a reference, a tag or an entity; escaped (\<) they are text.
  select p_text ~* '[a-z][a-z0-9+.-]*://|\m(javascript|vbscript|data|mailto|tel|sms):\S|\mwww\.\w'
    or p_text ~ '(?<!\\)\]\(|(?<!\\)\]\s?\[|(^|\n)\s*\[[^\]]+\]:|(?<!\\)<[A-Za-z/!?]|(?<!\\)&#?[A-Za-z0-9]+;'
$$;

create or replace function agent.find_unfinished(p_draft public.ai_drafts) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with written (text) as (select concat_ws(E'\n', p_draft.subject, replace(p_draft.content, '\', ''))),
  gaps as (
    select g.found[1] as what
    from written as w,
      regexp_matches(
        w.text, '(\[[^][\n]{0,79}[[:alpha:]][^][\n]{0,79}\]|\{\{[^{}\n]{1,80}\}\}|\m[Ll]orem [Ii]psum\M|\m(?:TODO|TBD|XXX+)\M)', 'g'
      ) as g (found)
  ),
  strangers as (
    select a.found[1] as what
    from written as w, regexp_matches(w.text, '([[:alnum:]._%+-]+@[[:alnum:]-]+(?:\.[[:alnum:]-]+)+)', 'g') as a (found)
    where not exists (select from crm.contacts as k where k.client_id = p_draft.client_id and lower(k.email) = lower(a.found[1]))
      and not exists (select from auth.users as u where u.id = p_draft.created_by and lower(u.email) = lower(a.found[1]))
  )
  select coalesce(array_agg(distinct left(f.what, 80) order by left(f.what, 80)), '{}')
  from (select what from gaps union all select what from strangers) as f
$$;
