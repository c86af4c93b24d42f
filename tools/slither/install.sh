#!/usr/bin/env bash
# Puts the pinned slither into the cache and prints the folder, which is also what PYTHONPATH needs.
set -euo pipefail
cd "$(dirname "$0")"

cache=${AES_CACHE:-$HOME/.cache/aes}
pins=$(sha256sum requirements.txt | cut -c1-16)
# The wheels are of one Python; another one on the same machine gets its own.
out=$cache/slither-$(python3 -c 'import sys; print("py%d.%d" % sys.version_info[:2])')-$pins

if [ ! -x "$out/bin/slither" ]; then
	python3 -m pip --version >/dev/null || { echo "missing: pip for python3. Debian: apt install python3-pip" >&2; exit 1; }
	mkdir -p "$cache"
	tmp=$(mktemp -d "$cache/.slither-XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
		--target "$tmp" -r requirements.txt >&2
	mv -T "$tmp" "$out" 2>/dev/null || [ -x "$out/bin/slither" ]
fi
echo "$out"
