PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SQL    := migrations supabase/sample_crm $(wildcard supabase/adapters) agent_service/devstack/shim agent_service/rules
PY     := agent_service workers tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup demo up down supabase-local test test-containers check policies drill bench fmt

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp is newer than what it was installed from, or pip runs again.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Set PYTHON=...")'
	@echo "Installing into $(VENV) (about a minute, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: $(VENV)/.installed ## Install everything into .venv

demo: setup ## Show the whole loop on a throw-away stack; DATA=FOLDER uses a CRM export
	@$(BIN)/account-agent demo $(if $(DATA),--data "$(DATA)") $(if $(MAPPING),--mapping "$(MAPPING)")

up: setup ## Start the local stack, leave it running, print URL, keys and sign-ins
	@$(BIN)/account-agent devstack up --detach

down: setup ## Stop it
	@$(BIN)/account-agent devstack down

supabase-local: setup ## The sample CRM on `supabase start`, and all of this installed into it; needs Docker
	@deploy/supabase-local.sh

check: setup ## Lint, types and SQL gates
	$(BIN)/ruff check $(PY)
	$(BIN)/ruff format --check $(PY)
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --disable-progress-bar --processes 2 $(SQL)
	$(BIN)/squawk migrations/*.sql
	$(BIN)/python -m tests.gates.grammar $(SQL)

test: check ## Everything CI runs: check, then every test with a short form of each drill
	$(BIN)/pytest -n 2 --dist loadgroup

test-containers: setup ## The integration suite on real Postgres and PostgREST containers; needs Docker
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,containers]'
	AGENT_CONTAINERS=1 $(BIN)/pytest -n 0 $(addprefix tests/integration/,agent api crm_data doctor tokens)

policies: setup ## Write policies/, what the migrations amount to for rights
	$(BIN)/account-agent policies

drill: setup ## The full-size crash and race drills
	$(BIN)/python -m tests.drills
	AGENT_KILL_STREAMS=50 AGENT_INTERLEAVED_REQUESTS=10000 AGENT_FUZZ_EXAMPLES=100 $(BIN)/pytest -n 0 -s $(addprefix tests/integration/api/test_,interleaving.py processes.py schema.py)

$(VENV)/.bench: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	@touch $@

bench: $(VENV)/.bench ## Every benchmark beside its peers; figures are kept in benchmarks/README.md
	$(BIN)/python -m benchmarks

fmt: setup ## Format Python and SQL
	$(BIN)/ruff check --fix $(PY)
	$(BIN)/ruff format $(PY)
	$(BIN)/sqlfluff fix --disable-progress-bar $(SQL)
