# Two commands: `make serve` and `make test`. Works with GNU make 3.81 (macOS) and newer.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help serve test lint format bench conformance lock clean

help: ## This list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

serve: $(VENV)/installed ## Fetch what is missing, start everything, print how to use it; Ctrl-C stops it
	@exec $(BIN)/compat-server serve

test: $(VENV)/installed-dev ## Every test, against real engines, PostgreSQL and SDKs
	@$(BIN)/compat-server pull --defaults
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/installed-dev ## ruff, mypy, import rules, names of installed packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_names.py

format: $(VENV)/installed-dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/installed-dev ## Measure against peers in one run; writes bench/RESULTS.md (needs nginx)
	$(BIN)/python -m bench $(ARGS)

conformance: $(VENV)/installed-dev ## The official SDKs against a live server; writes COVERAGE.md
	$(BIN)/python -m conformance_tests.coverage $(ARGS)

lock: ## Resolve the dependencies anew into constraints.txt
	uv pip compile --universal --python-version 3.11 --all-extras --upgrade \
	  --no-header --no-annotate pyproject.toml -o constraints.txt

clean: ## Remove the environment and caches; models and state stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build

$(VENV)/installed: pyproject.toml constraints.txt
	@sh scripts/environment.sh $(VENV)
	@echo "Installing compat-server (half a minute on a fast link, once)"
	@$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
