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

# Another apt may be at work, such as the nightly upgrade. Install waits for its lock, in seconds; update has another one and
# does not wait for that, and mirrors fail for a moment too.
update() {
	for pause in 5 15 30 60 0; do
		apt-get update -q && return
		[ "$pause" = 0 ] || sleep "$pause"
	done
	fail "apt-get update failed 5 times: is another apt at work, or the network down?"
}

# shellcheck disable=SC2086 # a list of words
{
	update
	apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 $packages
} >&2

packages=$(missing)
[ -z "$packages" ] || fail "installed, and still not there: $packages"
