-- Why: a small, ordinary sales CRM, so that the account manager can be tried where there is none yet.
-- Touches: tables in public. It is sample data's home, not one of our migrations, and knows nothing of AI.
-- Rollout: a fresh development database only.

create table public.profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  full_name text not null,
  email text not null,
  role text not null default 'user',
  created_at timestamptz not null default now(),
  constraint profiles_role_check check (role in ('user', 'admin'))
);

create table public.clients (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  company text,
  owner_id uuid references public.profiles (id) on delete set null,
  tags text[] not null default '{}',
  preferred_language text,
  contact_preferences jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table public.contacts (
  id uuid primary key default gen_random_uuid(),
  client_id uuid not null references public.clients (id) on delete cascade,
  name text not null,
  email text,
  phone text,
  title text,
  is_primary boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- client_id may be null: exports hold deals that lost their account.
create table public.deals (
  id uuid primary key default gen_random_uuid(),
  client_id uuid references public.clients (id) on delete cascade,
  owner_id uuid references public.profiles (id) on delete set null,
  title text not null,
  product text,
  stage text not null default 'lead',
  amount numeric(14, 2),
  currency text not null default 'USD',
  expected_close date,
  opened_at timestamptz,
  closed_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint deals_stage_check check (stage in ('lead', 'qualified', 'proposal', 'negotiation', 'won', 'lost'))
);

create table public.activities (
  id uuid primary key default gen_random_uuid(),
  client_id uuid not null references public.clients (id) on delete cascade,
  contact_id uuid references public.contacts (id) on delete set null,
  deal_id uuid references public.deals (id) on delete set null,
  type text not null,
  direction text,
  subject text,
  content text,
  sentiment text,
  status text not null default 'completed',
  occurred_at timestamptz not null default now(),
  created_by uuid references public.profiles (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint activities_type_check check (type in ('email', 'call', 'meeting', 'note')),
  constraint activities_direction_check check (direction in ('inbound', 'outbound')),
  constraint activities_sentiment_check check (sentiment in ('positive', 'neutral', 'negative')),
  constraint activities_status_check check (status in ('scheduled', 'completed', 'cancelled'))
);

create table public.tasks (
  id uuid primary key default gen_random_uuid(),
  client_id uuid not null references public.clients (id) on delete cascade,
  deal_id uuid references public.deals (id) on delete set null,
  assigned_to uuid references public.profiles (id) on delete set null,
  title text not null,
  description text,
  priority text not null default 'medium',
  status text not null default 'open',
  due_at timestamptz,
  completed_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint tasks_priority_check check (priority in ('low', 'medium', 'high')),
  constraint tasks_status_check check (status in ('open', 'done', 'cancelled'))
);

create table public.orders (
  id uuid primary key default gen_random_uuid(),
  client_id uuid not null references public.clients (id) on delete cascade,
  deal_id uuid references public.deals (id) on delete set null,
  order_number text not null,
  product text,
  status text not null default 'completed',
  total numeric(14, 2) not null,
  currency text not null default 'USD',
  ordered_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint orders_order_number_key unique (order_number),
  constraint orders_status_check check (status in ('pending', 'completed', 'cancelled', 'refunded'))
);

create index clients_owner_id_idx on public.clients (owner_id);
create index contacts_client_id_idx on public.contacts (client_id);
create index deals_client_id_idx on public.deals (client_id);
create index deals_owner_id_idx on public.deals (owner_id);
create index activities_client_id_occurred_at_idx on public.activities (client_id, occurred_at desc);
create index activities_contact_id_idx on public.activities (contact_id);
create index activities_deal_id_idx on public.activities (deal_id);
create index activities_created_by_idx on public.activities (created_by);
create index tasks_client_id_idx on public.tasks (client_id);
create index tasks_deal_id_idx on public.tasks (deal_id);
create index tasks_assigned_to_idx on public.tasks (assigned_to);
create index orders_client_id_ordered_at_idx on public.orders (client_id, ordered_at desc);
create index orders_deal_id_idx on public.orders (deal_id);
