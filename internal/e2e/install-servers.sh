#!/bin/sh
# Installs the servers that the tests in pollers need: HAProxy, nginx and the Prometheus blackbox exporter, as Debian packages.
# As root on Debian (or what descends from it); elsewhere it says what is missing and fails. It starts none of them, and has
# nothing to do where all of them are there already.
set -eu

fail() { printf 'install-servers: %s\n' "$*" >&2; exit 1; }

missing() {
	command -v haproxy >/dev/null || printf 'haproxy '
	command -v nginx >/dev/null || printf 'nginx '
	command -v prometheus-blackbox-exporter >/dev/null || printf 'prometheus-blackbox-exporter '
}

# Debian keeps servers where a user's PATH may not lead.
PATH=$PATH:/usr/sbin:/sbin

packages=$(missing)
[ -n "$packages" ] || exit 0
command -v apt-get >/dev/null || fail "no apt-get here: install by hand: $packages"
[ "$(id -u)" = 0 ] || fail "not root: run it as root, or install by hand: $packages"

# The packages start their servers, on ports that are none of our business, unless this policy forbids it. The exit status
# is what invoke-rc.d documents for "action forbidden by policy".
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	trap 'rm -f "$policy"' EXIT
	chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
{
	apt-get update -q
	apt-get install -q -y --no-install-recommends $packages
} >&2

packages=$(missing)
[ -z "$packages" ] || fail "installed, and still not there: $packages"
