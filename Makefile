# make check: this machine. make demo: every verdict once. make test: the tests of the suite itself.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: check demo test
check: .venv/.installed
	$(BIN)/pytest --inventory inventories/local.yaml

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@
