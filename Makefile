# What people run. `make` alone lists it. Beforehand: make, Python 3.11 or later, and on Debian python3-venv.

PYTHON ?= python3
INVENTORY ?= inventories/local.yaml
# More words for pytest: make check ARGS="-v --limit here"
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

MAKEFLAGS += --no-builtin-rules --no-print-directory
.PHONY: help check demo test bench provision lint lock clean
.NOTPARALLEL:

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile

check: .venv/installed  ## look at this machine, or at INVENTORY=file.yaml; reports go to reports/
	@status=0; $(BIN)/pytest --inventory '$(INVENTORY)' $(ARGS) || status=$$?; \
	case $$status in \
	  0) exit 0;; \
	  1) meaning='a check failed, or could not be observed';; \
	  2) meaning='the configuration is wrong; nothing was contacted';; \
	  3) meaning='every bad verdict is for want of an answer: look at the network or the host';; \
	  4) meaning='the suite itself broke, or pytest does not know an option';; \
	  5) meaning='nothing was selected';; \
	  130) meaning='interrupted; what was judged is in the reports';; \
	  *) meaning='unexpected';; \
	esac; \
	echo "pytest ended with $$status: $$meaning. (make itself ends with 2 whenever that is not 0.)" >&2; \
	exit $$status

demo: .venv/installed  ## start a small service, show every verdict once, stop it; reports go to reports/demo/ or ARGS='--reports DIR'
	@$(BIN)/python -m muster.demo run $(ARGS)

test: provision .venv/installed-for-tests lint  ## the tests of the suite itself, with real servers
	@$(BIN)/pytest -c tests/pytest.ini --rootdir tests -n 2 --dist loadfile -q tests $(ARGS)

bench: .venv/installed-for-tests  ## how fast it is beside what it takes the place of; writes docs/benchmarks.md, takes 20 minutes
	@$(BIN)/python -m tests.benchmarks $(ARGS)

provision:  ## install what the tests need and this machine lacks, where that may be done
	@$(PYTHON) -m tests.provision

lint: .venv/installed-for-tests  ## what the code must look like: ruff, mypy, who imports whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

lock: .venv/installed  ## pin every dependency anew, with hashes (UPGRADE=1 for the newest ones)
	$(PIP) install uv
	$(BIN)/uv $(LOCKED) --output-file requirements.lock
	$(BIN)/uv $(LOCKED) --extra test --constraint requirements.lock --output-file requirements-test.lock

LOCKED = pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url $(if $(UPGRADE),--upgrade) --group build pyproject.toml

clean:  ## remove what make made
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache

# Everything comes from the lock, the build backend too: nothing unpinned is fetched.
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Muster needs Python 3.11 or later,\
	 and $(PYTHON) is not: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments.\
	 Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo 'making .venv from requirements.lock: half a minute, the first time'
	@$(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/installed-for-tests: requirements-test.lock .venv/installed
	@$(PIP) install --require-hashes -r requirements-test.lock
	@touch $@
