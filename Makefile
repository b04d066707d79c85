# Two commands do all the set-up:
#   make demo    install, then run the demonstration into demo-output/
#   make test    install (system packages too, on Debian as root or with sudo), then every check
# The rest, one check each: lint types layers docs tests; and format, bench, fuzz, hooks, clean.
# With a CUDA device, in an environment of their own (GPU=gpu for a torch of CUDA 12):
#   make test-gpu     the transform's and the fit's tests on the device
#   make bench-gpu    the table of docs/benchmarks.md

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
# The order of the checks is the order of the report; each uses both cores by itself where it can.
.NOTPARALLEL:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_OPTIONS ?=
GPU ?= gpu13
GPU_VENV := .venv-$(GPU)
# For each reader, on Linux.
FUZZ_SECONDS ?= 600
FUZZ_READERS ?=

# The environment variable, not -c, so that the build environments that pip makes obey it too;
# relative, because pip splits it at spaces.
export PIP_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
INSTALL := $(BIN)/python -m pip install -qq

# What Qt and OpenGL need from the system, and a screen for machines without one.
SCREEN_PACKAGES := xvfb xauth libegl1 libgl1 libgl1-mesa-dri libglx-mesa0 libopengl0 libdbus-1-3 \
	libfontconfig1 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 \
	libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xfixes0 libxcb-xinerama0 libxcb-xkb1
# The tests build the CUDA kernels for the host.
COMPILER_PACKAGES := g++
# Recursive on purpose: xvfb-run may have been installed by the time a recipe expands this.
SCREEN = $(if $(shell command -v xvfb-run),xvfb-run -a -s "-screen 0 1600x1000x24")

.PHONY: demo test lint types layers docs tests format bench test-gpu bench-gpu fuzz hooks system-packages clean

demo: $(VENV)/.installed
	$(BIN)/napari-deltamic demo --output demo-output

test: system-packages $(VENV)/.installed-dev lint types layers docs tests

# Without a cache: how imports are sorted depends on files beside the one that is checked.
lint: $(VENV)/.installed-dev
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

layers: $(VENV)/.installed-dev
	$(BIN)/lint-imports

docs: $(VENV)/.installed-dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

tests: $(VENV)/.installed-dev
	$(SCREEN) $(BIN)/python -m pytest $(PYTEST_OPTIONS)

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-bench
	$(BIN)/napari-deltamic benchmark
	for program in $(filter-out benchmarks/bench_gpu.py,$(wildcard benchmarks/bench_*.py)); do echo "== $$program"; $(BIN)/python "$$program"; done

# No window opens there, so no Qt is installed that pytest-qt could find.
test-gpu: $(GPU_VENV)/.installed
	$(GPU_VENV)/bin/python -m pytest -p no:pytest-qt --gpu tests/meshft tests/imaging tests/fitting \
		$(PYTEST_OPTIONS)

bench-gpu: $(GPU_VENV)/.installed
	$(GPU_VENV)/bin/python -m pip install -qq cufinufft
	$(GPU_VENV)/bin/python benchmarks/bench_gpu.py

# Findings lie in fuzz-output/READER/findings; FUZZ_READERS=ply does one alone.
fuzz: $(VENV)/.installed-fuzz
	$(BIN)/python -m fuzz.run $(FUZZ_SECONDS) $(FUZZ_READERS)

hooks: $(VENV)/.installed-dev
	$(BIN)/pre-commit install

system-packages:
	@.ci/system-packages $(SCREEN_PACKAGES) $(COMPILER_PACKAGES)

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "napari-deltamic needs Python 3.11 or newer, this is %d.%d: run make with PYTHON=python3.11, say" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/system-packages python3-venv
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The editable install reads the source where it lies, so only these two files ask for a new one.
$(VENV)/.installed: pyproject.toml constraints.txt $(VENV)/.created
	@echo "Installing into $(VENV), a few minutes the first time"
	$(INSTALL) -e '.[all]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt $(VENV)/.created
	@echo "Installing the development environment into $(VENV), a few minutes the first time"
	$(INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-fuzz: $(VENV)/.installed-dev
	$(INSTALL) -e '.[fuzz]'
	@touch $@

# meshft is a source package whose build imports torch and setuptools from the environment.
$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(INSTALL) -e '.[bench]' setuptools
	$(INSTALL) --no-build-isolation meshft==1.1.0
	@touch $@

# Pins of CUDA's parts by torch and by CuPy must agree: the constraint's torch is of CUDA 13.
$(GPU_VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(GPU_VENV)
	$(if $(filter gpu,$(GPU)),PIP_CONSTRAINT=) $(GPU_VENV)/bin/python -m pip install -qq -e '.[test,$(GPU)]'
	@touch $@

clean:
	rm -rf .venv-gpu .venv-gpu13 build dist docs/_build demo-output fuzz-output .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
