#!/usr/bin/env bash
# Builds the CosmWasm contracts, or the real cw20 that only the tests need, into artifacts/ as a chain takes them.
#   tools/wasm/build.sh contracts | cw20
# Two steps, since no compiler flag alone does it: rustc emits bulk-memory instructions (they come with
# its precompiled std), which released chains refuse; wasm-opt lowers them to plain loops.
set -euo pipefail
cd "$(dirname "$0")/../.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${AES_CACHE:-$HOME/.cache/aes}/target}/wasm
export RUSTFLAGS="-C link-arg=-s -C target-cpu=mvp"

build() { # build <manifest> <crate> <artifact>
	cargo build --release --lib --target wasm32-unknown-unknown --manifest-path "$1" -p "$2"
	local raw=$CARGO_TARGET_DIR/wasm32-unknown-unknown/release/${2//-/_}.wasm out=artifacts/$3.wasm
	if [ "$raw" -nt "$out" ] || [ tools/wasm/build.sh -nt "$out" ]; then
		tools/wasm/node_modules/.bin/wasm-opt "$raw" -o "$out.$$" -Os \
			--enable-mutable-globals --enable-sign-ext --enable-bulk-memory --enable-bulk-memory-opt \
			--enable-nontrapping-float-to-int --enable-reference-types --enable-multivalue \
			--enable-call-indirect-overlong --llvm-memory-copy-fill-lowering --signext-lowering
		mv "$out.$$" "$out"
	fi
	# Said here rather than at the deploy: too large for a chain, or built without its entry points.
	node - "$out" <<-'JS'
		const { readFileSync } = require("node:fs");
		const file = process.argv[2];
		const wasm = readFileSync(file);
		const exported = WebAssembly.Module.exports(new WebAssembly.Module(wasm)).map(({ name }) => name);
		const missing = ["instantiate", "execute", "query"].filter((name) => !exported.includes(name));
		if (missing.length > 0) throw new Error(`${file} does not export ${missing}: is its feature "library" on?`);
		if (wasm.length > 800 * 1024) throw new Error(`${file} has ${wasm.length} bytes; a chain takes 819200`);
		console.log(`${file} ${wasm.length} bytes`);
	JS
}

mkdir -p artifacts
case ${1-} in
contracts)
	build Cargo.toml aes-coordinator aes_coordinator
	build Cargo.toml aes-escrow aes_escrow
	;;
cw20)
	build tools/cw20/Cargo.toml cw20-contract cw20_base
	;;
*)
	echo "usage: $0 contracts|cw20" >&2
	exit 2
	;;
esac
