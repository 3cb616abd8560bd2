# All commands of the project. Each first creates or updates its virtual environment. They need make,
# git and a Python >= 3.11.
#
#   make test ARGS="-k fan_out"    pass arguments to the program
#   make test JOBS=0               run the tests in one process, where a debugger works
#   make test PY=3.11              use this Python instead of the newest, in its own environment

PY :=
ARGS :=
PORT ?= 8000
JOBS ?= auto

VENV := .venv$(if $(PY),-$(PY))
BIN := $(VENV)/bin
PACKAGES := $(wildcard rest_channels sockets)
PYTEST := $(BIN)/python -m pytest --numprocesses=$(JOBS)

# Tests start hundreds of Python processes. Without bytecode, each compiles the project again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo demo-cluster test test-fast check bench bench-quick docs dist clean environment

help: ## Show this list
	@echo 'make COMMAND, where COMMAND is one of'
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile | while read -r name does; do \
		printf '  %-12s %s\n' "$$name" "$$does"; done

demo: environment ## Serve the demo on http://127.0.0.1:8000/ (PORT=8001 moves it)
	@$(BIN)/python -m scripts.serve_demo $(PORT)

demo-cluster: environment ## Serve the demo as two processes that share a Valkey, at one address
	@$(BIN)/python -m scripts.serve_cluster $(PORT)

test: environment ## Run the tests (ARGS="-k name" chooses)
	@$(PYTEST) $(ARGS)

test-fast: environment ## Run the tests that start no servers, brokers, browsers or scripts
	@$(PYTEST) -m "not programs" --ignore=tests/servers --ignore=tests/e2e \
		--ignore=tests/typescript $(ARGS)

check: environment ## Check style, types, imports and sizes
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy $(PACKAGES)
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python scripts/check_sizes.py $(PACKAGES) $(wildcard demo benchmarks scripts)

bench: environment ## Compare the speed with raw Channels and plain ASGI, and write the results
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quick: environment ## Compare the short cases with the committed results, in two minutes
	@$(BIN)/python -m benchmarks --quick --compare $(ARGS) || true

docs: environment ## Build the documentation site into site/. Warnings are errors
	@$(BIN)/python -m sphinx --fresh-env --fail-on-warning --keep-going --quiet -d build/doctrees docs site

dist: environment ## Build sdist and wheel, and test the wheel in an empty environment
	@$(BIN)/python scripts/check_dist.py

clean: ## Remove everything that these commands created, with the environments
	@rm -rf .venv .venv-* build dist site *.egg-info .*_cache .hypothesis demo/db.sqlite3*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@$(BIN)/python scripts/environment.py $(VENV) --is-ready 2>/dev/null || { \
		python=$$(sh scripts/newest_python.sh $(PY)) && \
		"$$python" scripts/environment.py $(VENV); }
