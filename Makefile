# The commands of the project. `make up` on a fresh clone is all it takes; `make help` lists the rest.

PYTHON ?= python3
BOTS ?= 4
VENV := .venv
BIN := $(VENV)/bin
LIBRARIES := $(VENV)/.libraries
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-tests
FIX_STAMP := $(VENV)/.installed-fix
WEB_LIBRARIES := web/node_modules/.installed
WEB_STAMP := web/dist/.built
NODE = $(shell node -e 'const [a, b] = process.versions.node.split("."); if (a > 20 || (a == 20 && b >= 19)) console.log("yes")' 2>/dev/null)
WEB := $(wildcard web/*.json web/*.html web/*.ts) $(shell find web/src -type f)
HOT := $(shell grep -rl --include=*.py "^\# cython: language_level=3" jaegerlite services shared) $(wildcard services/*/*.pxd shared/*/*.pxd jaegerlite/*.pxd)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
UV := $(BIN)/uv
LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet

.DEFAULT_GOAL := help
.PHONY: help up down status logs reset audit test lessons unit lint web webtest bench load build fix lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

up: $(STAMP) ## start everything and stay (BOTS=0: without market makers)
	@$(MAKE) --silent web || echo "The pages could not be built (see above); everything else starts."
	@$(BIN)/outcry up --bots $(BOTS)

down: ## stop everything
	@test ! -x $(BIN)/outcry || $(BIN)/outcry down

status: $(STAMP) ## what runs, how well, and how much memory it takes
	@$(BIN)/outcry status

logs: $(STAMP) ## what SERVICE writes, as it comes (make logs SERVICE=client-gateway)
	@$(BIN)/outcry logs $(or $(SERVICE),client-gateway) --follow

reset: $(STAMP) ## delete all data, logs and secrets (.outcry/)
	@$(BIN)/outcry reset $(if $(YES),--yes)

audit: $(STAMP) ## prove that the money is right on the running system
	@$(BIN)/outcry audit

test: lint webtest ## everything there is to test (but for the lessons)
	@failed=0; \
	$(BIN)/pytest -q --numprocesses 2 --dist loadfile tests/unit tests/integration || failed=1; \
	$(BIN)/pytest -q tests/e2e tests/browser || failed=1; \
	exit $$failed

lessons: $(TEST_STAMP) ## the tests of the faults and of the load: each lesson's symptom, finding and alert
	$(BIN)/pytest -q -m lessons tests/e2e

unit: $(TEST_STAMP) ## only the tests that need no servers
	$(BIN)/pytest -q tests/unit

lint: $(TEST_STAMP) ## style, types and walls between the parts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(TEST_STAMP) ## measure the running system (started here unless it runs)
	$(BIN)/python -m benchmarks

web: ## build the pages, where Node (20.19 or newer) is at hand; all else runs without them
	@if test "$(NODE)" = yes; then $(MAKE) --silent $(WEB_STAMP); else echo "No Node 20.19 here: the pages are not built, everything else runs."; fi

webtest: ## what the pages promise, where Node and their libraries are at hand
	@if test "$(NODE)" != yes; then echo "No Node 20.19 here: the tests of the pages are skipped."; \
	elif ! $(MAKE) --silent $(WEB_LIBRARIES); then echo "The libraries of the pages could not be installed: their tests are skipped."; \
	else $(MAKE) --silent $(WEB_STAMP) && cd web && npm run --silent test; fi

load: $(TEST_STAMP) ## traders, market makers, readers on the running exchange, with a page to steer them (8089)
	$(BIN)/locust -f benchmarks/load.py --class-picker --web-host 127.0.0.1 --host $(or $(URL),http://127.0.0.1:$(or $(CLIENT_GATEWAY_PORT),8347))

build: $(TEST_STAMP) ## compile the hot modules that changed
	@$(BIN)/python setup.py --quiet build_ext --inplace

fix: $(FIX_STAMP) ## install the engine of the FIX gateway (compiles for a minute); the next make up starts it

lock: $(VENV) ## choose current versions for the lock files
	$(PIP) uv
	$(UV) pip compile pyproject.toml $(LOCK_OPTIONS) --upgrade -o requirements.lock
	$(UV) pip compile pyproject.toml --group test --group bench $(LOCK_OPTIONS) --upgrade -c requirements.lock -o requirements-test.lock
	$(UV) pip compile --group fix $(LOCK_OPTIONS) --upgrade -c requirements.lock -o requirements-fix.lock

clean: down ## delete what was installed and compiled; data stays
	rm -rf $(VENV) build *.egg-info web/dist web/node_modules
	find jaegerlite services shared -name '*.so' -delete -o -name '*.c' -delete

$(VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Outcry needs Python 3.11 or newer; choose one: make up PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(LIBRARIES): requirements.lock | $(VENV)
	@echo "Installing the libraries (a minute or two; skipped next time unless the lock changes) ..."
	@$(PIP) --require-hashes -r requirements.lock
	@touch $@

$(STAMP): $(LIBRARIES) pyproject.toml setup.py $(HOT)
	@echo "Compiling the hot modules (skipped next time unless they change) ..."
	@$(PIP) --no-deps -e .
	@touch $@

$(TEST_STAMP): requirements-test.lock $(STAMP)
	@$(PIP) --require-hashes -r requirements-test.lock
	@touch $@

$(FIX_STAMP): requirements-fix.lock scripts/install_quickfix.py scripts/quickfix_setup.py | $(STAMP)
	@echo "Compiling QuickFIX (a minute; it needs a C++ compiler; skipped next time unless the lock changes) ..."
	@$(BIN)/python scripts/install_quickfix.py
	@touch $@

$(WEB_LIBRARIES): web/package-lock.json
	@cd web && npm ci --silent
	@touch $@

$(WEB_STAMP): $(WEB_LIBRARIES) $(WEB)
	@echo "Building the pages (skipped next time unless they change) ..."
	@cd web && npm run --silent build
	@touch $@
