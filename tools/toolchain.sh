#!/usr/bin/env bash
# Installs the compiler of rust-toolchain.toml where it is missing. rustup mostly does so by itself, but
# not where RUSTUP_AUTO_INSTALL=0 is set.
set -euo pipefail
cd "$(dirname "$0")/.."

channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
target=wasm32-unknown-unknown
have() { rustup "$1" list --installed --toolchain "$channel" 2>/dev/null | grep -q "^$2"; }
have target $target && have component rustfmt && have component clippy && exit 0
rustup toolchain install "$channel" --profile minimal --component rustfmt --component clippy --target $target
