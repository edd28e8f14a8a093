# make demo   install, render some fruit, run the whole chain on it, offline from there on
# make test   the tests; make test-cluster, test-s3 and test-mllib run the long ones
# make lint   formatting, types, layers, generated pages
# make bench  the benchmarks of benchmarks/

# A Python that every dependency supports, and that starts: a version manager may leave names on
# PATH that do not. `make PYTHON=/path/to/python` overrides it.
PYTHON ?= $(shell for v in 3.12 3.11 3.13 3.10 3; do \
  python$$v -c pass 2>/dev/null && command -v python$$v && exit; done)
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test test-browser test-cluster test-mllib test-s3 lint bench lock clean

demo: $(INSTALLED)
	$(BIN)/orchard sample demo/fruits
	$(BIN)/orchard run demo/fruits demo/result --weights untrained
	@echo
	@echo "The tables are in demo/result; the explained variance is drawn in"
	@echo "  demo/result/report/explained_variance.png"

test: $(INSTALLED)
	$(BIN)/pytest

# Chromium's path in CHROMIUM where it is not Playwright's own or /usr/bin/chromium.
test-browser: $(INSTALLED)
	$(BIN)/pytest -m browser

test-cluster: $(INSTALLED)
	$(BIN)/pytest -m cluster

test-mllib: $(INSTALLED)
	$(BIN)/pytest -m mllib

test-s3: $(INSTALLED)
	$(BIN)/pytest -m s3

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/reference.py --check

bench: $(INSTALLED)
	$(BIN)/python benchmarks/embedding.py
	$(BIN)/python benchmarks/reduction.py

$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python found; install Python 3.10 to 3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(not (3, 10) <= v < (3, 14) and \
	  f"make: $(PYTHON) is Python {v[0]}.{v[1]}; Orchard needs 3.10 to 3.13: make PYTHON=python3.12")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# Needs uv. The lock holds every Python from 3.10 on, by environment markers, and no index address.
lock:
	uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header \
	  --group dev pyproject.toml --output-file requirements.lock

clean:
	rm -rf .venv demo dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
