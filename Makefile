# Two commands: `make demo` and `make test`. Each sets up what is missing first, and is quick when nothing is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE := crates/bindings-node
CORE_SOURCES := $(shell find crates/core/src -name '*.rs') Cargo.toml crates/core/Cargo.toml Cargo.lock
PYTHON_SOURCES := crates/bindings-python/python crates/bindings-python/tests examples benches conformance

export PYO3_PYTHON := $(abspath $(BIN)/python)

.PHONY: demo test bench bench-node soak-node bench-containers bench-lifecycle bench-timers check check-package check-targets test-rust test-loom test-python test-node fuzz dist setup setup-node clean

demo: setup
	$(BIN)/python examples/service/python/main.py

test: check test-rust check-package test-loom test-python test-node

# Side by side with other servers. Needs wrk; takes about 45 minutes. BENCH=--quick for a look.
bench: setup bench-timers
	@command -v wrk >/dev/null || { tools/install-packages wrk; }
	$(BIN)/python benches/peers/run.py $(BENCH)

# The same for Node: an hour. It needs Python alone, not its extension.
bench-node: $(VENV)/.installed setup-node
	@command -v wrk >/dev/null || { tools/install-packages wrk; }
	$(BIN)/python benches/peers/run.py --language node $(BENCH)

# A million requests to one process, whose memory must stay flat. Five minutes at most.
soak-node: $(VENV)/.installed setup-node
	@command -v wrk >/dev/null || { tools/install-packages wrk; }
	$(BIN)/python benches/peers/soak.py

bench-containers: setup
	@command -v wrk >/dev/null || { tools/install-packages wrk; }
	$(BIN)/python benches/containers/run.py
	$(BIN)/python benches/containers/handlers.py

bench-lifecycle:
	cargo bench -p hostloop --bench lifecycle

bench-timers: setup
	cargo bench -p hostloop --bench timers

check: setup $(NODE)/node_modules/.installed
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features hostloop/watch -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet --features hostloop/watch
	$(BIN)/ruff check $(PYTHON_SOURCES)
	$(BIN)/ruff format --check $(PYTHON_SOURCES)
	$(BIN)/mypy --strict crates/bindings-python/python/hostloop
	$(BIN)/python -m mypy.stubtest hostloop._core
	$(NODE)/node_modules/.bin/biome check --error-on-warnings .

# That the crate can be packaged, and that the program of its README runs on the package, outside the workspace.
check-package:
	tools/check-package

# That the core compiles where it is not run.
check-targets:
	tools/check-targets x86_64-apple-darwin x86_64-unknown-freebsd

# Fuzzing of what parses, for an hour or FUZZ_SECONDS. Needs a nightly toolchain.
fuzz:
	@cargo +nightly --version >/dev/null 2>&1 || { echo "fuzzing needs a nightly toolchain: rustup toolchain install nightly" >&2; exit 1; }
	@cargo fuzz --version >/dev/null 2>&1 || { echo "installing cargo-fuzz"; cargo install --quiet --locked cargo-fuzz; }
	cd crates/core && cargo +nightly fuzz run http1 -- -max_total_time=$${FUZZ_SECONDS:-3600}

# The source distribution and, built from it, a wheel; and that the former installs and serves somewhere else.
dist: setup
	rm -rf target/dist
	$(BIN)/maturin build --release --sdist --quiet --out target/dist -m crates/bindings-python/Cargo.toml
	tools/check-sdist $(BIN)/python target/dist/*.tar.gz

# The picture of a graph is looked at in a real browser.
test-rust: setup
	@command -v chromium >/dev/null || tools/install-packages chromium
	cargo test --workspace --features hostloop/watch

# Every interleaving of what threads share.
test-loom:
	RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p hostloop --lib --release --no-default-features loom

test-python: setup
	$(BIN)/python -m pytest -q crates/bindings-python/tests

setup: $(VENV)/.built

$(VENV)/.built: $(VENV)/.installed $(CORE_SOURCES) $(shell find crates/bindings-python/src -name '*.rs') crates/bindings-python/Cargo.toml crates/bindings-python/pyproject.toml
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release --quiet -m crates/bindings-python/Cargo.toml
	@touch $@

$(VENV)/.installed: requirements-dev.txt
	@tools/check-machine $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Node's binding: the native layer by cargo, the public one by TypeScript.
setup-node: $(NODE)/dist/.built

$(NODE)/dist/.built: $(NODE)/native/.built $(shell find $(NODE)/lib -name '*.ts') $(NODE)/tsconfig.json
	cd $(NODE) && rm -rf dist && npx --no-install tsc -p .
	@touch $@

$(NODE)/native/.built: $(VENV)/.installed $(NODE)/node_modules/.installed $(CORE_SOURCES) $(shell find $(NODE)/src -name '*.rs') $(NODE)/Cargo.toml
	cd $(NODE) && npm run --silent build:native
	@touch $@

$(NODE)/node_modules/.installed: $(NODE)/package-lock.json
	@tools/check-node
	cd $(NODE) && npm install --no-save --silent --no-audit --no-fund
	@touch $@

# The programs of examples/ as well, and the packages as they are published.
test-node: setup-node
	tools/check-npm
	cd examples/hello/node && npm ci --silent --no-audit --no-fund
	cd examples/service/node && npm ci --silent --no-audit --no-fund
	cd $(NODE) && HOSTLOOP_DOORBELL=1 node --test test/http-*.test.js test/process.test.js
	cd $(NODE) && npm test --silent

clean:
	rm -rf target $(VENV) $(NODE)/node_modules $(NODE)/native $(NODE)/dist
