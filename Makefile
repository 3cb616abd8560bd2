# One door to everything. Each command makes and mends its own environment first: all that has to
# be there is make, git and a Python >= 3.11.
#
#   make test ARGS="-k fan_out"    what a command passes on to its program
#   make test JOBS=0               tests in one process, where a debugger works (default: auto)
#   make test PY=3.11              another Python than the newest, in an environment of its own

PY :=
ARGS :=
PORT ?= 8000
JOBS ?= auto

VENV := .venv$(if $(PY),-$(PY))
BIN := $(VENV)/bin
PACKAGES := $(wildcard rest_channels sockets)
PYTEST := $(BIN)/python -m pytest --numprocesses=$(JOBS)

.PHONY: help demo demo-cluster test test-fast check bench dist clean environment

help: ## Show this list
	@echo 'make COMMAND, where COMMAND is one of'
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile | while read -r name does; do \
		printf '  %-12s %s\n' "$$name" "$$does"; done

demo: environment ## Serve the demo on http://127.0.0.1:8000/ (PORT=8001 moves it)
	@$(BIN)/python -m scripts.serve_demo $(PORT)

demo-cluster: environment ## Serve it as two processes that share a Valkey, at one address
	@$(BIN)/python -m scripts.serve_cluster $(PORT)

test: environment ## Run the tests (ARGS="-k name" chooses)
	@$(PYTEST) $(ARGS)

test-fast: environment ## Run the tests that need neither servers nor browsers
	@$(PYTEST) --ignore=tests/servers --ignore=tests/e2e $(ARGS)

check: environment ## Check style, types, who imports whom, and sizes
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy $(PACKAGES)
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python scripts/check_sizes.py $(PACKAGES) $(wildcard demo benchmarks scripts)

bench: environment ## Measure beside raw Channels and a bare ASGI application
	@$(BIN)/python -m benchmarks $(ARGS)

dist: environment ## Build sdist and wheel, and try the wheel in an empty environment
	@$(BIN)/python scripts/check_dist.py

clean: ## Remove what these commands made, environments included
	@rm -rf .venv .venv-* build dist *.egg-info .*_cache .hypothesis demo/db.sqlite3*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@$(BIN)/python scripts/environment.py $(VENV) --is-ready 2>/dev/null || { \
		python=$$(sh scripts/newest_python.sh $(PY)) && \
		"$$python" scripts/environment.py $(VENV); }
