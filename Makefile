# Everything runs in .venv; the first target that needs it creates it from requirements.lock.
PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.13.8

.DEFAULT_GOAL := help
.PHONY: help report site sitecheck check test lint types lock bench slow torture mutants clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

.venv/ready: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

report: .venv/ready ## measure missing costs, then write reports/
	$(BIN)/python -m benchmark.measure cost --all
	$(BIN)/python -m benchmark.report

site: .venv/ready ## write the report as a static site to out/site
	$(BIN)/python -m benchmark.report --html

sitecheck: .venv/ready ## check the site in Chromium, which must be installed, with axe-core from npm
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group browser
	npm install --silent --no-save --prefix out axe-core
	AXE=out/node_modules/axe-core/axe.min.js $(BIN)/python -m pytest -q tests/report/test_site_in_browser.py

check: .venv/ready ## check that the committed reports match the records
	$(BIN)/python -m benchmark.report --check

test: .venv/ready ## run the tests (under ten minutes on two cores)
	$(BIN)/python -m pytest -q --numprocesses auto --dist worksteal

slow: .venv/ready ## run the tests that take longer
	$(BIN)/python -m pytest -q -m slow

torture: .venv/ready ## kill commands at random moments, fill their disk, run two at once (hours; TIMES=50)
	$(BIN)/python -m tests.torture --times $(or $(TIMES),50) --out out/torture.json

mutants: .venv/ready ## plant faults in the instruments, and count those that their tests notice (COUNT=10)
	$(BIN)/python -m tests.mutants --count $(or $(COUNT),10) --out out/mutants.json

bench: .venv/ready ## time the instruments beside the usual alternatives
	mkdir -p out
	$(BIN)/python -m pytest -q tests/bench/bench_*.py --benchmark-only --benchmark-sort=name --benchmark-columns=min,median,max,rounds \
		--benchmark-json=out/bench.json
	$(BIN)/python -m tests.bench.table out/bench.json

lint: .venv/ready ## check style, formatting, and the layers of the packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: .venv/ready ## check types
	$(BIN)/mypy benchmark

lock: ## resolve pyproject.toml into requirements.lock, without index URLs
	test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv==$(UV_VERSION); }
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras \
		--generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock

clean: ## remove the environment, caches and outputs
	rm -rf .venv .pytest_cache .benchmarks .mypy_cache .ruff_cache out
