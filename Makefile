# The commands of this project; `make help` lists them. A fresh clone needs only Python >= 3.11 with venv,
# make and git: everything else comes from the hashed locks.
PYTHON ?= python3
# Servers named in the environment are one for all: then one worker, else three, each with databases of its own.
# On two cores, too: many tests wait for what has been killed. Two workers left a sixth of the time unused.
WORKERS ?= $(if $(TURNOSYA_TEST_BROKER_URL)$(TURNOSYA_TEST_DATABASE_URL)$(TURNOSYA_TEST_REDIS_URL),1,3)
# Where the environment forbids compiled files, every start compiled 2,000 of them anew: 5 s instead of 2.
export PYTHONDONTWRITEBYTECODE :=
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help run split tour test storm check bench lock clean test-servers

help: ## show the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/run.stamp ## start everything here on embedded servers; Ctrl-C stops it
	@exec $(BIN)/turnosya serve

split: $(VENV)/test.stamp test-servers ## the same as 20 processes over a RabbitMQ cluster, started again when they die
	@exec $(BIN)/python -m tests.split

tour: $(VENV)/run.stamp ## a guided run against a system of its own (ARGS="--url ..." for another)
	@exec $(BIN)/turnosya tour $(ARGS)

test: $(VENV)/test.stamp $(VENV)/js.stamp test-servers ## all tests, real servers of the split form included (ARGS="tests/chat -x")
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

storm: $(VENV)/test.stamp test-servers ## parts of a split system are killed under load, then an audit (ARGS="--seconds 600", or "talk --seeds 5")
	@exec $(BIN)/python -m tests.storm $(ARGS)

# Two at once: the two type checkers take most of the time, and a core each.
CHECKS := check-mypy check-basedpyright check-ruff check-format check-imports check-contracts check-built check-rules
.PHONY: $(CHECKS)
check: $(VENV)/test.stamp ## lint, types, imports, contract lock, generated pages and dashboards, sizes
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(CHECKS)
check-mypy:
	$(BIN)/mypy
check-basedpyright:
	$(BIN)/basedpyright
check-ruff:
	$(BIN)/ruff check .
check-format:
	$(BIN)/ruff format --check .
check-imports:
	$(BIN)/lint-imports
check-contracts:
	$(BIN)/python -m turnosya contracts --check
check-built:
	$(BIN)/python -m deploy.build --check
check-rules:
	$(BIN)/pytest -q tests/project

bench: $(VENV)/test.stamp $(VENV)/js.stamp test-servers ## measure, and print the figures as a table (ARGS="door" for a part)
	$(BIN)/python -m tests.bench $(ARGS)

lock: $(VENV)/test.stamp ## make both locks anew from pyproject.toml
	tools/lock

clean: ## remove the environment and what tools left (data in .turnosya stays)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

test-servers:
	@tools/test-servers

# A stamp is as new as what was installed from the lock beside it; the one to test contains the one to run.
$(VENV)/run.stamp: requirements.lock pyproject.toml
	@tools/environment requirements.lock
	@touch $@

# In Node: the JavaScript client of Socket.IO.
$(VENV)/js.stamp: tests/js/package-lock.json $(VENV)/test.stamp
	@tools/javascript
	@touch $@

$(VENV)/test.stamp: requirements-dev.lock requirements.lock pyproject.toml
	@tools/environment requirements-dev.lock
	@touch $(VENV)/run.stamp $@
