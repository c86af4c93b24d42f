#!/usr/bin/env bash
# Runs every fuzz target for the seconds given. Sanitizers need a nightly compiler: the one named here, beside the
# project's own. What is found new is kept in the cache, so that the next run goes on from there.
set -euo pipefail
cd "$(dirname "$0")/../relayer/evidence"

seconds=$1
nightly=nightly-2026-05-20
version=0.13.2
cache=${AES_CACHE:-$HOME/.cache/aes}
tool=$cache/cargo-fuzz-$version

rustup run "$nightly" rustc --version >/dev/null 2>&1 ||
	rustup toolchain install "$nightly" --profile minimal --no-self-update >&2
if [ ! -x "$tool/bin/cargo-fuzz" ]; then
	cargo install --quiet --locked --root "$tool" --version "$version" cargo-fuzz >&2
fi
export CARGO_TARGET_DIR=$cache/target-fuzz RUSTUP_TOOLCHAIN=$nightly
# Arithmetic is checked as in our own builds; the address sanitizer has little to see where unsafe code is forbidden.
for target in $("$tool/bin/cargo-fuzz" list); do
	found=$cache/fuzz/$target
	mkdir -p "$found" "fuzz/corpus/$target"
	log=$found.log
	if ! "$tool/bin/cargo-fuzz" run --sanitizer none "$target" "$found" "fuzz/corpus/$target" -- \
		-max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -print_final_stats=1 >"$log" 2>&1; then
		tail -40 "$log" >&2
		echo "FAIL fuzz: $target; the input is in relayer/evidence/fuzz/artifacts/$target" >&2
		exit 1
	fi
	echo "ok   fuzz $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s"
done
