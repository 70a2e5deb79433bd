# Two environments, made on demand: .venv-demo holds the base install, .venv everything for work.
PYTHON ?= python3
PIP_FLAGS ?= --quiet --disable-pip-version-check

.PHONY: demo test lint types imports wheel base aarch64 sbom docs gpu-check pre-commit clean

demo: .venv-demo/ready  ## run the shipped model on an embedded scene; writes demo/
	@mkdir -p demo
	.venv-demo/bin/maskattn-edge run --source 'synthetic://?seed=6&frames=150&fps=15' \
	    --save demo/overlay.webm
	.venv-demo/bin/maskattn-edge run --source 'synthetic://?seed=6&frames=1' \
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

wheel: .venv/ready  ## build, install in a fresh environment per Python, import, run
	sh tools/check_wheel.sh .venv/bin/python

dist/ready: .venv/ready $(shell git ls-files '*.py' pyproject.toml 2>/dev/null)
	rm -rf dist
	.venv/bin/python -m build --outdir dist . >/dev/null
	@touch $@

base: dist/ready  ## size and licences of what `pip install maskattn-edge` brings
	.venv/bin/python tools/base_install.py dist/*.whl

aarch64: dist/ready  ## does every package have a wheel for a Jetson?
	sh tools/resolve_aarch64.sh dist/*.whl .venv/bin/python

sbom: dist/ready  ## what a release lists: dist/sbom.cdx.json, dist/licences.md
	sh tools/sbom.sh dist/*.whl dist .venv/bin/python

docs: .venv/ready  ## the documents as pages, in site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

gpu-check:  ## every test that needs a GPU with TensorRT, then engines and their times: gpu-check/
	PYTHON=$(PYTHON) bash tools/gpu_check.sh

clean:
	rm -rf .venv .venv-demo demo dist site

.venv-demo/ready: pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python -m pip install $(PIP_FLAGS) .
	@touch $@

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install $(PIP_FLAGS) -e '.[dev]'
	@touch $@
