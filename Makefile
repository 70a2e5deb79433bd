# Two environments, made on demand: .venv-demo holds the base install, .venv everything for work.
PYTHON ?= python3
PIP_FLAGS ?= --quiet --disable-pip-version-check

.PHONY: demo test lint types imports wheel pre-commit clean

demo: .venv-demo/ready  ## run the shipped model on an embedded scene; writes demo/
	@mkdir -p demo
	.venv-demo/bin/maskattn-edge run --source 'synthetic://?seed=7&frames=150&fps=15' \
	    --save demo/overlay.webm
	.venv-demo/bin/maskattn-edge run --source 'synthetic://?seed=7&frames=1' \
	    --save demo/overlay.png >/dev/null
	@echo "look at demo/overlay.webm and demo/overlay.png"

test: .venv/ready  ## all tests; real data is used where MASKATTN_DATA names it
	.venv/bin/python -m pytest -q

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/ready
	.venv/bin/mypy

imports: .venv/ready
	.venv/bin/lint-imports

wheel: .venv/ready  ## build, install in a fresh environment, import every package, run
	sh tools/check_wheel.sh .venv/bin/python

clean:
	rm -rf .venv .venv-demo demo dist

.venv-demo/ready: pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python -m pip install $(PIP_FLAGS) .
	@touch $@

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install $(PIP_FLAGS) -e '.[dev]'
	@touch $@
