#!/usr/bin/env bash
# Builds the pinned wasmd into the cache and prints its path; does nothing when that build is there.
# The folder's name is the hash of the lock files, so a new pin is a new build and an old one stays usable.
set -euo pipefail
cd "$(dirname "$0")"

cache=${AES_CACHE:-$HOME/.cache/aes}
key=$(cat go.mod go.sum | sha256sum | cut -c1-16)
out=$cache/wasmd-$key

if [ ! -x "$out/wasmd" ]; then
	case $(go env GOOS)/$(go env GOARCH) in
		linux/amd64) lib=libwasmvm.x86_64.so ;;
		linux/arm64) lib=libwasmvm.aarch64.so ;;
		*) echo "wasmd: the devnet runs on Linux (amd64, arm64) only" >&2; exit 1 ;;
	esac
	mkdir -p "$cache"
	tmp=$(mktemp -d "$cache/.wasmd-XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	# Without this flag the binary looks for libwasmvm only in Go's module cache, which people wipe.
	go build -mod=readonly -o "$tmp/wasmd" \
		-ldflags "-s -w -X github.com/cosmos/cosmos-sdk/version.AppName=wasmd -X github.com/cosmos/cosmos-sdk/version.Version=$(go list -m -f '{{.Version}}' github.com/CosmWasm/wasmd) -extldflags '-Wl,-rpath,\$ORIGIN'" \
		github.com/CosmWasm/wasmd/cmd/wasmd
	# After the build, which downloads: before it, a module has no folder.
	wasmvm=$(go list -m -f '{{.Dir}}' github.com/CosmWasm/wasmvm/v3)
	install -m 755 "$wasmvm/internal/api/$lib" "$tmp/$lib"
	chmod 755 "$tmp"
	# A rename is atomic: nobody ever sees half a build. If somebody else was faster, theirs is the same.
	mv -T "$tmp" "$out" 2>/dev/null || [ -x "$out/wasmd" ]
fi
echo "$out/wasmd"
