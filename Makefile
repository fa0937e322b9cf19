# The two commands to know: `make demo` and `make test`. Both set themselves up in .venv.
ENV ?= panda
PYTHON ?= python3
BIN := .venv/bin
PIP := PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/pip install -qq

# Room for a policy in shared memory: Fast DDS 2 reads the first, Fast DDS 3 the second.
export FASTRTPS_DEFAULT_PROFILES_FILE ?= $(CURDIR)/config/fastdds.xml
export FASTDDS_DEFAULT_PROFILES_FILE ?= $(FASTRTPS_DEFAULT_PROFILES_FILE)

.PHONY: demo test lint bench study study-suite study-reach study-short kill-matrix torture fuzz-data fuzz-policy clean

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

bench-%: .venv/.ready ## one of them: bench-loop, bench-data, bench-train
	$(BIN)/python -m benchmarks.bench_$* $(ARGS)

study: .venv/.ready ## the published GridWorld study again, ours beside it: three minutes; ARGS=--levers for each lever
	$(BIN)/turn-rl study gridworld $(ARGS)

study-short: .venv/.ready ## a small cut of every study
	$(BIN)/turn-rl study gridworld --short --out results/short
	$(BIN)/turn-rl study suite --short --out results/short
	$(BIN)/turn-rl study reach --short --out results/short

study-suite: .venv/.ready ## seven tasks besides, three seeds each: an hour on one core
	$(BIN)/turn-rl study suite $(ARGS)

study-reach: .venv/.ready ## robot-minutes on the arm, lever by lever: hours on one core; ARGS="--lever defaults"
	$(BIN)/turn-rl study reach $(ARGS)

study-%: .venv/.ready ## study-selection, study-conservatism: hours on one core; ARGS=--short for a minute
	$(BIN)/python -m benchmarks.study_$* $(ARGS)

kill-matrix: .venv/.ready ## 50 rounds of SIGKILL and SIGSTOP on each process, against the simulated arm; 45 min
	$(BIN)/python -m benchmarks.kill_matrix --jobs 4 $(ARGS)

torture: .venv/.ready ## 500 rounds of kills, full disks, lost messages and bent clocks on the recorder
	$(BIN)/python -m benchmarks.torture $(ARGS)

fuzz-data: .venv/.ready ## 2,000 mutants of a session and of a dataset in each foreign format
	$(BIN)/python -m benchmarks.fuzz_data $(ARGS)

fuzz-policy: .venv/.ready ## 10,000 mutated policies against the executor's door
	$(BIN)/python -m benchmarks.fuzz_policy $(ARGS)

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
