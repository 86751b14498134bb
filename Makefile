# The front door. `make` alone says what there is.
#
#   PYTHON=python3.12 make test     another interpreter (3.11, 3.12 or 3.13)
#   make test ARGS="-k cookie -x"   some of the tests
#   make run PORT=9443              another port
#   make bench PLAIN=1              without the compiled edge, which takes a minute to make

PORT ?= 8443
ARGS ?=
UPGRADE ?=
PLAIN ?=

TEST := .venv/test/bin
CODE := gateway ca policies tests deploy
PINS := deploy/constraints
COMPILE := .venv/lock/bin/uv pip compile --quiet --universal --generate-hashes \
           --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
LOCK := $(COMPILE) pyproject.toml --group build
COMPILED := .venv/compiled
HEADERS := 'import sys, sysconfig; from pathlib import Path; \
           sys.exit(not Path(sysconfig.get_path("include"), "Python.h").exists())'

.DEFAULT_GOAL := help
.SILENT:
.NOTPARALLEL:
.PHONY: help run test check lint bench soak compiled format lock clean environment

help: ## say what there is (this list)
	awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	echo
	echo "  PORT=9443 (run)   ARGS=\"-k cookie\" (test)   PYTHON=python3.12 (run, test, check, bench)"

# exec: Ctrl-C goes to the demo and to nothing in between, and it decides when it is done.
run: ## start a throwaway site with real applications behind it (PORT=8443); Ctrl-C ends it
	deploy/environment.sh .venv/run $(PINS)/demo.txt
	exec .venv/run/bin/pusterla demo --port $(PORT)

test: environment ## the whole test suite; what this machine lacks is skipped, with the reason
	$(TEST)/pytest $(ARGS)

check: lint test ## what CI asks: format, lint, types, import contracts, dependencies, spelling, test

lint: environment ## all of check but the tests
	$(TEST)/ruff format --check $(CODE)
	$(TEST)/ruff check $(CODE)
	$(TEST)/mypy
	$(TEST)/lint-imports --no-logo
	$(TEST)/deptry .
	$(TEST)/codespell

bench: environment ## speed and cost beside nginx on this machine (ARGS="--quick", "--only idle")
	if [ -n "$(PLAIN)" ]; then \
	    echo "Measuring plain Python alone."; \
	elif command -v cc >/dev/null && $(TEST)/python -c $(HEADERS); then \
	    $(MAKE) compiled; \
	else \
	    echo "Measuring plain Python alone: a C compiler and Python's headers are not here."; \
	fi
	$(TEST)/python -m tests.bench.run $(ARGS)

soak: environment ## mixed traffic, faults and lost sticks for a time (ARGS="--seconds 600")
	$(TEST)/python -m tests.soak.run $(ARGS)

# As it would be installed, not in place: compiled modules are older than what is edited. Tests lie
# in the tree, which therefore comes last.
compiled: ## a second environment with the edge compiled: wants a C compiler and Python's headers
	deploy/environment.sh --tools $(COMPILED) $(PINS)/check.txt
	echo "Compiling the edge (a minute) ..."
	PUSTERLA_COMPILED=1 $(COMPILED)/bin/python -m pip install --quiet --disable-pip-version-check \
	    --no-input --no-deps --no-build-isolation --force-reinstall .
	$(COMPILED)/bin/python -P -c 'import sysconfig as s; open(s.get_path("purelib") + "/tree.pth", "w").write("$(CURDIR)\n")'
	$(COMPILED)/bin/pusterla --version

format: environment ## put the code into the house's format
	$(TEST)/ruff check --fix-only --quiet $(CODE)
	$(TEST)/ruff format $(CODE)

lock: ## after a change of dependencies: pin them again (UPGRADE=1: take the newest of all)
	deploy/environment.sh --tools .venv/lock $(PINS)/lock.txt
	echo "Resolving for Python 3.11 to 3.13 ..."
	$(LOCK) -o $(PINS)/run.txt
	$(LOCK) --extra demo -c $(PINS)/run.txt -o $(PINS)/demo.txt
	$(LOCK) --extra token -c $(PINS)/run.txt -o $(PINS)/token.txt
	$(LOCK) --group compile -c $(PINS)/run.txt -o $(PINS)/compile.txt
	$(LOCK) --extra demo --extra token --group test --group check --group compile -c $(PINS)/demo.txt -o $(PINS)/check.txt
	$(COMPILE) --group lock -o $(PINS)/lock.txt
	git diff --stat -- $(PINS)

clean: ## remove the environments and everything that the tools remember
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov dist
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

environment:
	deploy/environment.sh .venv/test $(PINS)/check.txt
