-- Why: what a token costs changes, and what was spent last month must not change with it.
-- Touches: new table agent.model_prices, seeded; a function that works out a cost.
-- Rollout: new objects only. A new price is a new row with its date; nothing is updated.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table agent.model_prices (
  provider text not null,
  model text not null,
  effective_at timestamptz not null,
  above_tokens integer not null default 0,
  input_usd numeric(12, 6) not null,
  cache_write_usd numeric(12, 6) not null,
  cache_read_usd numeric(12, 6) not null,
  output_usd numeric(12, 6) not null,
  batch_factor numeric(4, 3) not null default 0.5,
  constraint model_prices_pkey primary key (provider, model, effective_at, above_tokens),
  constraint model_prices_above_tokens_check check (above_tokens >= 0),
  constraint model_prices_usd_check check (least(input_usd, cache_write_usd, cache_read_usd, output_usd) >= 0),
  constraint model_prices_batch_factor_check check (batch_factor between 0 and 1)
);
comment on table agent.model_prices is 'US dollars for a million tokens, from a day on. Rows are added, never changed.';
comment on column agent.model_prices.above_tokens is
'The tier of requests whose prompt has more tokens than this; it holds for the whole request.';
comment on column agent.model_prices.cache_write_usd is 'Of the cache that is kept for five minutes.';

insert into agent.model_prices (
  provider, model, effective_at, above_tokens, input_usd, cache_write_usd, cache_read_usd, output_usd
) values
('anthropic', 'claude-haiku-5-5', '2026-01-01', 0, 0.10, 0.125, 0.01, 0.50),
('anthropic', 'claude-haiku-5-5', '2026-01-01', 100000, 0.50, 0.625, 0.05, 2.50),
-- Prices of writing to the cache could not be confirmed for these two: 1.25 times the input, as is usual.
('anthropic', 'claude-sonnet-5-5', '2026-01-01', 0, 2, 2.5, 0.10, 10),
('anthropic', 'claude-opus-5-5', '2026-01-01', 0, 4, 5, 0.20, 20);

create function agent.cost_usd(
  p_provider text, p_model text, p_at timestamptz, p_input_tokens bigint, p_cache_write_tokens bigint, p_cache_read_tokens bigint,
  p_output_tokens bigint, p_is_batch boolean default false
) returns numeric
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_price agent.model_prices;
begin
  if p_provider in ('offline', 'none') then
    return 0;
  end if;
  select m.* into v_price
  from agent.model_prices as m
  where m.provider = p_provider and m.model = p_model and m.effective_at <= p_at
    and (m.above_tokens = 0 or m.above_tokens < p_input_tokens + p_cache_write_tokens + p_cache_read_tokens)
  order by m.effective_at desc, m.above_tokens desc
  limit 1;
  if not found then
    return null;
  end if;
  return round((
    p_input_tokens * v_price.input_usd + p_cache_write_tokens * v_price.cache_write_usd
    + p_cache_read_tokens * v_price.cache_read_usd + p_output_tokens * v_price.output_usd
  ) / 1000000 * case when p_is_batch then v_price.batch_factor else 1 end, 6);
end
$$;
comment on function agent.cost_usd(text, text, timestamptz, bigint, bigint, bigint, bigint, boolean) is
'US dollars to six places at the price of that moment; null without one, 0 where no model was asked. p_input_tokens: those not cached.';

alter table agent.model_prices enable row level security;
alter table agent.model_prices force row level security;
revoke all on table agent.model_prices from public, anon, authenticated, service_role;
revoke all on function agent.cost_usd(text, text, timestamptz, bigint, bigint, bigint, bigint, boolean)
from public, anon, authenticated, service_role;
