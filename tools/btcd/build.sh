#!/usr/bin/env bash
# Builds the pinned btcd into the cache and prints its path; does nothing when that build is there.
# The folder's name is the hash of the lock files, so a new pin is a new build and an old one stays usable.
set -euo pipefail
cd "$(dirname "$0")"

cache=${AES_CACHE:-$HOME/.cache/aes}
out=$cache/btcd-$(cat go.mod go.sum | sha256sum | cut -c1-16)

if [ ! -x "$out/btcd" ]; then
	mkdir -p "$cache"
	tmp=$(mktemp -d "$cache/.btcd-XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	CGO_ENABLED=0 go build -mod=readonly -ldflags "-s -w" -o "$tmp/btcd" github.com/btcsuite/btcd
	chmod 755 "$tmp"
	# A rename is atomic: nobody ever sees half a build. If somebody else was faster, theirs is the same.
	mv -T "$tmp" "$out" 2>/dev/null || [ -x "$out/btcd" ]
fi
echo "$out/btcd"
