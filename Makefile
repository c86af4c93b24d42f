# Every command of the project; `make` alone lists them. Node binaries and builds are kept in AES_CACHE,
# keyed by what pins them, so a second run has nothing to do.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

AES_CACHE ?= $(HOME)/.cache/aes
override export AES_CACHE := $(abspath $(AES_CACHE))
export CARGO_TARGET_DIR ?= $(AES_CACHE)/target

AES := $(CARGO_TARGET_DIR)/debug/aes
STEP := @tools/step.sh
EVM_SOURCES = $(shell find contracts/evm/src contracts/evm/scripts -type f) contracts/evm/foundry.toml

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Build what it needs, start a devnet, play a commit and a rollback
	@tools/require.sh
	@$(MAKE) --no-print-directory -j3 build nodes contracts
	@$(AES) demo

.PHONY: devnet
devnet: ## Real nodes, contracts, attestors and a relayer on loopback, until Ctrl-C
	@tools/require.sh
	@$(MAKE) --no-print-directory -j3 build nodes contracts
	@$(AES) devnet

# --- what is built -------------------------------------------------------------------------------

.PHONY: toolchain
toolchain: ## The Rust compiler of rust-toolchain.toml, with the wasm target
	$(STEP) "rust toolchain" tools/toolchain.sh

.PHONY: build
build: toolchain ## The binary aes
	$(STEP) "aes" cargo build --bin aes

.PHONY: nodes node-wasmd node-anvil node-btcd
nodes: node-wasmd node-anvil node-btcd ## The node binaries wasmd, anvil and btcd, into the cache
node-wasmd:
	$(STEP) "wasmd" tools/nodes.sh wasmd
node-btcd:
	$(STEP) "btcd" tools/nodes.sh btcd
# Not among `nodes`: only the contracts' test on the real client needs it, and it takes minutes to build.
.PHONY: node-geth
node-geth:
	$(STEP) "geth" tools/nodes.sh geth
node-anvil: contracts/evm/node_modules/.package-lock.json
	$(STEP) "anvil" tools/nodes.sh anvil

.PHONY: contracts contracts-wasm cw20
contracts: contracts-wasm artifacts/AesEscrow.json ## The contracts as chains take them, into artifacts/
contracts-wasm: toolchain tools/wasm/node_modules/.package-lock.json
	$(STEP) "contracts (wasm)" tools/wasm/build.sh contracts
# Not among `contracts`: only tests need it.
cw20: toolchain tools/wasm/node_modules/.package-lock.json
	$(STEP) "a cw20 (wasm)" tools/wasm/build.sh cw20
artifacts/AesEscrow.json: contracts/evm/node_modules/.package-lock.json $(EVM_SOURCES)
	$(STEP) "contracts (evm)" tools/evm-artifacts.sh

# npm writes this file last: it is as new as the installation is whole.
%/node_modules/.package-lock.json: %/package-lock.json
	$(STEP) "npm ci in $*" npm ci --prefix $*

# --- tests ---------------------------------------------------------------------------------------
# cargo is always asked for the whole workspace, never for one package: so all steps share one set of features, and
# what one has built the next one finds.
E2E := $(sort $(basename $(notdir $(wildcard tests/e2e/tests/*))))

.PHONY: test
test: ## Every test
	@$(MAKE) --no-print-directory -j2 nodes contracts cw20
	@$(MAKE) --no-print-directory test-forge test-ts schema-check test-rust

.PHONY: test-rust
test-rust: nodes contracts cw20 build ## Rust: unit, golden, vectors, the VM's checks, the nodes, end to end on real nodes
	$(STEP) --show "test-rust" cargo test --workspace

.PHONY: test-forge
test-forge: contracts/evm/node_modules/.package-lock.json ## Solidity: unit, fuzz, invariants
	$(STEP) --show "test-forge" npm test --prefix contracts/evm

.PHONY: test-ts
test-ts: node-geth tests/ts/node_modules/.package-lock.json contracts/evm/node_modules/.package-lock.json ## TypeScript: the vectors; the EVM contracts on geth
	$(STEP) --show "test-ts" npm test --prefix tests/ts

.PHONY: test-e2e
test-e2e: nodes contracts cw20 build ## Of these, what runs end to end on real nodes
	$(STEP) --show "test-e2e" cargo test --workspace $(patsubst %,--test %,$(E2E))

SIM := cargo run -p aes-sim --profile sim --
.PHONY: sim
sim: contracts ## Bad days from seeds for SECONDS=600, or one with its timeline: SEED=7
	@$(SIM) $(if $(SEED),--seed $(SEED),--seconds $(or $(SECONDS),600) $(if $(FIRST),--first $(FIRST)))

.PHONY: nightly
nightly: contracts ## 100,000 bad days, however long they take; FIRST=100000 for others than the last time
	@$(SIM) --schedules 100000 $(if $(FIRST),--first $(FIRST))

.PHONY: chaos
chaos: nodes contracts build ## Kill processes, cut links and fail nodes under EXECUTIONS=500; SEED=7 for the same strikes in the same order
	@cargo run --bin aes-chaos -- --executions $(or $(EXECUTIONS),500) $(if $(SEED),--seed $(SEED))

.PHONY: model
model: toolchain ## Look at every state of the protocol's model, take out each guard, and print the figures
	$(STEP) --show "model" cargo run --bin aes-model

.PHONY: fuzz
fuzz: ## Every decoder that takes outside bytes, SECONDS=60 each
	@tools/fuzz.sh $(or $(SECONDS),60)

.PHONY: bench
bench: nodes contracts cw20 build tests/ts/node_modules/.package-lock.json ## Measure, and print `figure NAME VALUE UNIT` lines
	@tools/bench.sh

# --- checks --------------------------------------------------------------------------------------

.PHONY: lint
lint: toolchain contracts/evm/node_modules/.package-lock.json ## Formatting, slither, clippy, licences, bans and sources
	$(STEP) "rust format" cargo fmt --all --check
	$(STEP) "rust format (tools/cw20)" cargo fmt --check --manifest-path tools/cw20/Cargo.toml
	$(STEP) "solidity format" npm run fmt:check --prefix contracts/evm
	$(STEP) "slither" bash -c 'npm run slither --prefix contracts/evm -- "$$(tools/slither/install.sh)"'
	$(STEP) "invariants" tools/invariants-check.sh
	$(STEP) "clippy" cargo clippy --workspace --all-targets -- -D warnings
	$(STEP) "cargo-deny install" tools/cargo-deny/install.sh
	$(STEP) "cargo-deny" bash -c '"$$(tools/cargo-deny/install.sh)" check licenses bans sources'

.PHONY: schema
schema: contracts/evm/node_modules/.package-lock.json ## Generate schema/ from the contracts
	@# First: the relayer's crates, and so the schema of proofs, are compiled from the ABI.
	$(STEP) "abi" npm run abi --prefix contracts/evm
	$(STEP) "schema of the coordinator" cargo run --bin aes-coordinator-schema
	$(STEP) "schema of the escrow" cargo run --bin aes-escrow-schema
	$(STEP) "schema of proofs" cargo run --bin aes-evidence-schema

.PHONY: schema-check
schema-check: ## Fail when schema/ is not what the contracts say
	@tools/schema-check.sh

.PHONY: clean
clean: ## Delete what was built inside the checkout (the cache stays)
	rm -rf artifacts contracts/evm/out contracts/evm/cache {contracts/evm,tests/ts,tools/wasm}/node_modules
