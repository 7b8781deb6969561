# Two commands matter: `make run` and `make test`. `make help` lists the rest.
PYTHON3 ?= python3
VENV := .venv/bin/python
PYTHON ?= $(VENV)
UV ?= uv
# Brings the environment up to date, unless the caller chose a Python of their own (make lint PYTHON=…).
tools = $(if $(filter $(VENV),$(PYTHON)),@$(PYTHON3) -m orchestra_portal.start environment --dev)
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help run test test-fast check fmt lint types layers migrations lock bench clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start the portal; on the first start everything it needs, and development is deployed
	@$(PYTHON3) -m orchestra_portal.start

test: ## Every test whose parts this machine has, with coverage (REQUIRE=postgres,redis,chromium: a missing part fails)
	$(tools)
	@$(PYTHON) -m tests.run

test-fast: ## The quick tests only, within a minute
	$(tools)
	@$(PYTHON) -m pytest -n 2 --dist worksteal -p no:schemathesis -m "not (engine or cli or postgres or redis or chromium or prometheus or nginx or network or slow or process)"

check: lint types layers migrations test-fast ## Everything before a push

fmt: ## Format the code
	$(tools)
	@$(PYTHON) -m ruff check --fix-only --quiet .
	@$(PYTHON) -m ruff format .

lint: ## Style, formatting, common mistakes
	$(tools)
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .

types: ## mypy --strict
	$(tools)
	@$(PYTHON) -m mypy apps orchestra_portal infra/engine_host infra/embedded_engine infra/orchestra_provider
	@cd infra && MYPYPATH=. $(abspath $(PYTHON)) -m mypy --config-file mypy.ini *.py

layers: ## The tower: who may import whom
	$(tools)
	@$(PYTHON) -c "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"

migrations: ## Models without a migration, and Django's own checks for production
	$(tools)
	@DJANGO_SETTINGS_MODULE=tests.settings $(PYTHON) manage.py makemigrations --check --dry-run
	@PORTAL_PRODUCTION=true DATABASE_URL=postgres://check@127.0.0.1:1/check \
		DJANGO_SETTINGS_MODULE=tests.settings $(PYTHON) manage.py check --deploy --fail-level WARNING

lock: ## Pin the newest allowed packages again, with hashes (needs uv; upgrade with COMPILE_FLAGS=--upgrade)
	@$(COMPILE) $(COMPILE_FLAGS) requirements.in --output-file requirements.txt
	@$(COMPILE) $(COMPILE_FLAGS) requirements-dev.in --output-file requirements-dev.txt
	@$(COMPILE) $(COMPILE_FLAGS) orchestra_portal/start/node-requirements.in --output-file orchestra_portal/start/node-requirements.txt

bench: ## The measurements of bench/, one after the other
	$(tools)
	@set -e; for file in bench/*.py; do echo "== $$file"; PYTHONPATH=. $(PYTHON) $$file; done

clean: ## Remove what tests and checks leave behind; the state under var/ and .venv stay
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis htmlcov staticfiles
	@rm -f .coverage .coverage.*
	@find . -name __pycache__ -type d -not -path './.venv/*' -not -path './var/*' -prune -exec rm -rf {} +
