#!/bin/sh
# Builds the version of Vault in go.mod and prints the path of its binary. The first run takes
# minutes; later ones find the binary of that version in the cache directory.
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
	echo "building Vault $version, which takes several minutes" >&2
	# The binary gets its name when it is complete, in case the build is interrupted or another
	# one runs at the same time.
	part=$binary.part.$$
	trap 'rm -f "$part"' EXIT
	# minimal: with KV, AppRole and JWT, without the plugins that make up most of the size.
	go build -tags minimal -ldflags '-s -w' -o "$part" github.com/hashicorp/vault
	mv "$part" "$binary"
fi
echo "$binary"
