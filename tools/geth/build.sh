#!/usr/bin/env bash
# Builds the pinned geth into the cache and prints its path; does nothing when that build is there.
# The folder's name is the hash of the lock files, so a new pin is a new build and an old one stays usable.
set -euo pipefail
cd "$(dirname "$0")"

cache=${AES_CACHE:-$HOME/.cache/aes}
key=$(cat go.mod go.sum | sha256sum | cut -c1-16)
out=$cache/geth-$key

if [ ! -x "$out/geth" ]; then
	mkdir -p "$cache"
	tmp=$(mktemp -d "$cache/.geth-XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	go build -mod=readonly -o "$tmp/geth" -ldflags "-s -w" github.com/ethereum/go-ethereum/cmd/geth
	chmod 755 "$tmp"
	# A rename is atomic: nobody ever sees half a build. If somebody else was faster, theirs is the same.
	mv -T "$tmp" "$out" 2>/dev/null || [ -x "$out/geth" ]
fi
echo "$out/geth"
