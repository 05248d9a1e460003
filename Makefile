# `make run` and `make test` install what is missing, build, and say what they do; `make help` lists the rest.

.PHONY: help run test test-fast e2e-livekit tools plugins languages languages-table build lint deny fmt fuzz chaos outage bench-receiver bench-runner deploys
.DEFAULT_GOAL := help

# make run ARGS='--exit-after-demo'
ARGS ?=
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

help: ## This list
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: ## Build everything and start `roomwire up --demo $(ARGS)`
	@nats=$$(scripts/tools) && scripts/plugins ready-made && \
	echo "==> building roomwire (the first time takes some minutes)" >&2 && \
	cargo build --release --locked --bins && \
	ROOMWIRE_NATS_SERVER=$$nats exec $(TARGET_DIR)/release/roomwire up --demo $(ARGS)

test: ## Run every check and every test
	@scripts/test

test-fast: ## Run the checks and tests of the pure crates alone
	@scripts/test fast

e2e-livekit: ## Play a scenario on a real livekit-server: make e2e-livekit LIVEKIT_SERVER=path
	@LIVEKIT_SERVER='$(LIVEKIT_SERVER)' scripts/e2e-livekit

ROUNDS ?= 60
EVENTS ?= 1000000
SEED ?=

chaos: ## Kill and cut off everything for ROUNDS rounds while EVENTS events are sent; SEED repeats a run
	@scripts/chaos '$(ROUNDS)' '$(EVENTS)' '$(SEED)'

tools: ## Install what is missing: the wasm target, nats-server
	@scripts/tools

plugins: ## Build the plugins
	@scripts/tools >/dev/null && scripts/plugins

languages: ## Build the example handler of each language
	@scripts/languages

languages-table: build ## Measure the handlers of all languages, and write docs/LANGUAGES.md
	@scripts/languages-table

outage: plugins build ## Keep a handler's upstream down for a minute
	@ROOMWIRE_NATS_SERVER=$$(scripts/tools) ROOMWIRE_OUTAGE_SECONDS=60 cargo test --quiet --release --locked --workspace --test it -- outage::

RATE ?= 500
LOAD ?= 30000

deploys: plugins build ## Deploy, roll back and change the configuration under RATE events a second, LOAD in all
	@ROOMWIRE_NATS_SERVER=$$(scripts/tools) ROOMWIRE_POSTGRES=$$(scripts/postgresql) \
	ROOMWIRE_DEPLOY_RATE='$(RATE)' ROOMWIRE_DEPLOY_EVENTS='$(LOAD)' \
	cargo test --quiet --release --locked --workspace --test it -- --nocapture fleet::deploys

build: ## Build the binaries
	@scripts/tools >/dev/null && cargo build --release --locked --bins

lint: ## Run clippy, warnings are errors
	@scripts/lint

deny: ## Check licences, sources and advisories of the dependencies
	@scripts/deny

bench-receiver: ## Compare the receiver with others; ARGS='--quick' for a short look
	@bench/receiver/run $(ARGS)

bench-runner: ## Compare the runner with workers on Node; ARGS='--quick' for a short look
	@bench/runner/run $(ARGS)

fmt: ## Format all code
	@cargo fmt --all && cargo fmt --all --manifest-path plugins/Cargo.toml && \
	cargo fmt --manifest-path bench/receiver/load/Cargo.toml && \
	cargo fmt --manifest-path bench/runner/drain/Cargo.toml

TARGET ?= all
SECONDS ?= 60

fuzz: ## Fuzz a TARGET (or all) for SECONDS each, with nightly Rust
	@scripts/fuzz $(TARGET) $(SECONDS)
