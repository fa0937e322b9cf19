# The two commands to know: `make demo` and `make test`. Both set themselves up in .venv.
ENV ?= panda
PYTHON ?= python3
BIN := .venv/bin
PIP := PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/pip install -qq

.PHONY: demo test lint bench torture clean

demo: .venv/.ready ## ENV=panda (default), panda_ee or gridworld
	$(BIN)/turn-rl demo --env $(ENV) $(ARGS)

test: lint ## everything CI runs
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.ready ## one table and one results/*.json a benchmark
	@set -e; for bench in benchmarks/bench_*.py; do $(BIN)/python -m benchmarks.$$(basename $$bench .py); done

bench-%: .venv/.ready ## one of them: bench-loop, bench-data
	$(BIN)/python -m benchmarks.bench_$* $(ARGS)

torture: .venv/.ready ## 500 rounds of kills, full disks, lost messages and bent clocks on the recorder
	$(BIN)/python -m benchmarks.torture $(ARGS)

clean: ## what builds and tools left; runs/ and results/ stay
	rm -rf .venv build install log *.egg-info .pytest_cache .mypy_cache .ruff_cache

.venv/.ready: setup.py constraints.txt
	$(PYTHON) -m venv .venv
	@echo "Installing into .venv (a few minutes the first time) ..."
	$(PIP) --upgrade pip "setuptools<80"
	$(PIP) -e '.[ros,dev]'
	@# A wheel or nothing: building PyBullet from source takes longer than the demo.
	@$(PIP) --only-binary pybullet 'pybullet>=3.2' 2>/dev/null || \
		echo "PyBullet has no wheel for $$($(BIN)/python --version): going on without it, the GridWorld stands in for the Panda."
	touch $@
