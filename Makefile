# The contributor's menu. `make run` and `make test` each work as the first and
# only command on a fresh machine that has Python and make.

.DEFAULT_GOAL := help
SETUP := deploy/local/setup.sh
BIN := .venv/bin

# Options for pytest: make test ARGS="-k majority -x"
ARGS ?=

.PHONY: help
help: ## this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: ## .venv with everything requirements.lock names (about a minute, then instant)
	@$(SETUP) python

.PHONY: run
run: setup ## the whole system, live, replaying a historical roll call
	@$(BIN)/tellers demo

.PHONY: test
test: setup test-tools ## the whole suite; ARGS goes to pytest
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: test-tools
test-tools: ## what the tests meet beside Python: Chromium, fonts, redis-server, nginx, promtool
	@$(SETUP) test-tools

# A fault may take minutes at full length: the limit a test is longer than the suite's.
.PHONY: faults
faults: setup test-tools ## every fault at full length, each with its figures
	@TELLERS_FAULTS=full $(BIN)/python -m pytest tests/faults --timeout 1200 $(ARGS)

.PHONY: compose-test
compose-test: setup ## docker-compose.yml for real: ES-11/1 through it while parts are killed
	@$(BIN)/python -m tests.compose

.PHONY: check
check: setup ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory audit sbom

.PHONY: audit
audit: setup ## known weaknesses of what requirements.lock names
	@$(BIN)/python -m tests.security.supply audit

.PHONY: sbom
sbom: setup ## build/sbom.cdx.json, the list of what we are made of (CycloneDX)
	@$(BIN)/python -m tests.security.supply sbom

.PHONY: bench
bench: setup ## measure latency and throughput on this machine
	@$(BIN)/python -m tests.bench

.PHONY: docs
docs: setup ## the pages that are generated from the code
	@$(BIN)/python -m tests.docs.generate

.PHONY: format
format: setup ## put the code in shape, mend what ruff can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# What deploy/Dockerfile installs: parts of the one lock.
IMAGE_LOCK := $(BIN)/uv export --quiet --frozen --no-default-groups \
	--no-emit-workspace --no-annotate --no-header

# No address of an index may stand in the lock, so that it installs from any mirror.
.PHONY: lock
lock: setup ## newest versions of everything into requirements.lock
	$(BIN)/uv lock --upgrade
	$(BIN)/uv export --quiet --frozen --all-groups --no-emit-workspace \
		--no-annotate --no-header --output-file requirements.lock
	$(IMAGE_LOCK) --output-file deploy/requirements.lock
	$(IMAGE_LOCK) --extra otel --output-file deploy/otel.lock
	$(IMAGE_LOCK) --only-group build --output-file deploy/build.lock
	@! grep -n '://' requirements.lock deploy/*.lock
	@$(SETUP) python

.PHONY: clean
clean: ## remove .venv and caches; the votes in data/ stay
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
