# Everything here needs Python 3.10+ and make; uv comes into .venv by itself when it is not on the PATH.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
UV := $(shell command -v uv || echo $(BIN)/uv)
RUN := $(BIN)/python -m
PYTHONS := 3.10 3.11 3.12 3.13
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-wheel lint check format bench simulate fuzz docs browser clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/run ## conversations from the bundled emulator, live; ARGS='--for 15 --no-web' is handed on
	@$(BIN)/genscribe demo $(ARGS)

test: .venv/dev ## all tests on this Python
	$(RUN) pytest -n 2 --dist loadfile $(ARGS)

lint: .venv/dev ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint ## all that, and the unit tests
	$(RUN) pytest -q -n 2 -m 'not slow' tests/unit $(ARGS)

test-all: .venv/dev ## the tests on every Python from 3.10 to 3.13 that is found here
	@for version in $(PYTHONS); do \
		python=; \
		for found in python$$version $(HOME)/.pyenv/versions/$$version.*/bin/python; do \
			$$found -c 'import ssl, sqlite3' 2>/dev/null && python=$$found && break; \
		done; \
		test -n "$$python" || { echo "── Python $$version: not found here, skipped"; continue; }; \
		echo "── Python $$version"; \
		UV_PROJECT_ENVIRONMENT=.venvs/$$version $(UV) sync -q --frozen --python $$python && \
		.venvs/$$version/bin/python -m pytest -q -n 2 --dist loadfile $(ARGS) || exit 1; \
	done

test-wheel: .venv/dev ## the built wheel, alone in an environment of its own
	rm -rf build/wheel && mkdir -p build/wheel
	$(UV) build -q --wheel --out-dir build/wheel
	$(UV) venv -q --python $(BIN)/python build/wheel/venv
	$(UV) pip install -q --python build/wheel/venv/bin/python build/wheel/*.whl
	build/wheel/venv/bin/python tests/wheel.py

format: .venv/dev ## rewrite the code in the one format
	$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format -q .

bench: .venv/dev ## the benchmarks; ratios in one run (minutes)
	@for one in stream latency idle store fanout drain notifications page; do $(BIN)/python bench/$$one.py; done

simulate: .venv/dev ## days of an organisation in virtual time, with and without outages (minutes); ARGS='--seeds 10'
	$(RUN) tests.simulation $(ARGS)

fuzz: .venv/dev ## a million hostile frames through decode and journal (minutes)
	$(RUN) tests.fuzz --frames 1000000

docs: .venv/dev ## rewrite the generated pages
	$(BIN)/python docs/generate.py

browser: ## Debian's chromium, for the page's tests
	@command -v chromium >/dev/null || { test -e /etc/debian_version && apt-get -qq update && apt-get -qq install -y chromium >/dev/null; } \
		|| echo "no chromium here: the page's tests will be skipped"

clean: ## what make made
	rm -rf .venv .venvs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Two stamps: what a user needs, and that with the tools of developers.
.venv/run: pyproject.toml uv.lock | $(UV)
	@test -e .venv/dev || $(UV) sync -q --frozen --inexact --no-dev --python $(PYTHON)
	@touch $@

.venv/dev: pyproject.toml uv.lock | $(UV)
	@$(UV) sync -q --frozen --inexact --python $(PYTHON)
	@touch $@ .venv/run

$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "genscribe needs Python 3.10 or newer"; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
