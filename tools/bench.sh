#!/usr/bin/env bash
# Prints every figure of the project as `figure NAME VALUE UNIT`, after the machine and commit they hold for.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "machine $(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(uname -sr)"
echo "commit $(git rev-parse HEAD)$(git diff --quiet HEAD || echo ' with changes')"
for wasm in artifacts/aes_*.wasm; do
	name=${wasm##*/aes_}
	echo "figure wasm.bytes.${name%.wasm} $(wc -c <"$wasm") bytes"
done
missed=0
npm run --silent bench --prefix tests/ts || missed=1
cargo run --quiet --example bitcoin-vbytes || missed=1
# As it is run: optimized. Without LTO, which is for the contracts' sake and would cost minutes here.
export CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
for bench in bench-gas bench-relayer bench-evidence; do
	cargo run --quiet --release --bin "$bench" || missed=1
done
# Every proof changed in ten thousand ways: the tests fail where one of them proves anything else.
mutations=$(cargo test --quiet -p aes-evidence --tests -- proves proved --nocapture 2>&1 | grep -o 'figure evidence.mutations_.*') || missed=1
printf '%s\n' "$mutations"
for what in tried accepted; do
	printf '%s\n' "$mutations" | awk -v what="evidence.mutations_$what" \
		'index($2, what ".") == 1 { sum += $3 } END { print "figure", what, sum + 0, "count" }'
done
exit "$missed"
