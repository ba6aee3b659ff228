#!/bin/sh
# Builds the Vault that go.mod names and prints the path of its binary. It takes minutes the
# first time; after that the binary in the cache directory is found by its version.
#
#	build-vault.sh [cache directory]
set -eu
cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/tolokacheck}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
cd "$(dirname "$0")"
version=$(go list -m -f '{{.Version}}' github.com/hashicorp/vault)
binary=$cache/vault-$version-$(go env GOOS)-$(go env GOARCH)
if [ ! -x "$binary" ]; then
	echo "building Vault $version, which takes about five minutes" >&2
	# Under another name first: a build that breaks off, or a second one beside it, must not
	# leave half a binary behind.
	part=$binary.part.$$
	trap 'rm -f "$part"' EXIT
	# minimal: with KV, AppRole and JWT, and without the plugins that are most of its size.
	go build -tags minimal -ldflags '-s -w' -o "$part" github.com/hashicorp/vault
	mv "$part" "$binary"
fi
echo "$binary"
