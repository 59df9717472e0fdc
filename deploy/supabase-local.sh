#!/usr/bin/env bash
# The sample CRM as a project of its own on `supabase start`, and the account manager installed into it as
# docs/installing.md says: copy, push, keys, doctor. Needs Docker; `make up` is the local stack that does not.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=.supabase-local
cli() { "${SUPABASE_CLI:-tests/gates/node_modules/.bin/supabase}" --workdir "$folder" "$@"; }

if ! docker info >/dev/null 2>&1; then
  echo "Docker does not answer here, and supabase start needs it. The stack without Docker is: make up" >&2
  exit 1
fi
[ -n "${SUPABASE_CLI:-}" ] || npm ci --silent --prefix tests/gates

# A host that was there before us, with a history of its own.
mkdir -p "$folder/supabase/migrations"
cp supabase/config.toml "$folder/supabase/"
number=20240101000000
for file in supabase/sample_crm/*.sql; do
  cp "$file" "$folder/supabase/migrations/$((number += 1))_$(basename "$file")"
done
cli start --exclude studio,imgproxy,storage-api,logflare,vector,supavisor,edge-runtime

.venv/bin/account-agent migrations copy "$folder/supabase/migrations"
cli db push --local --include-all --yes

# shellcheck disable=SC1090
source <(cli status --output env)
export DATABASE_URL=$DB_URL SUPABASE_URL=$API_URL
export SUPABASE_PUBLISHABLE_KEY=${PUBLISHABLE_KEY:-$ANON_KEY}
AGENT_WORKER_KEY=$(.venv/bin/python - "$JWT_SECRET" <<'PY'
import os
import sys

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    if connection.execute("select from agent.signing_keys").fetchone() is None:
        connection.execute("select vault.create_secret(%s, 'agent_signing')", [sys.argv[1]])
        connection.execute("select agent.add_signing_key('local', 'agent_signing')")
    print(connection.execute("select agent.mint_worker_key('supabase-local', 30)").fetchone()[0])
PY
)
export AGENT_WORKER_KEY
.venv/bin/account-agent doctor
printf 'export %s\n' "SUPABASE_URL=$SUPABASE_URL" "SUPABASE_PUBLISHABLE_KEY=$SUPABASE_PUBLISHABLE_KEY" \
  "AGENT_WORKER_KEY=$AGENT_WORKER_KEY" >"$folder/env"
echo "Ready: source $folder/env, then .venv/bin/account-agent serve, and work in another terminal."
