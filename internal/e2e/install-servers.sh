#!/bin/sh
# Installs the servers that the tests need, as Debian packages. Run it as root on Debian
# or a distribution that is based on it; elsewhere it prints what is missing and fails. It starts no
# server, and does nothing if all of them are installed.
set -eu

fail() { printf 'install-servers: %s\n' "$*" >&2; exit 1; }

# missing prints the packages of the programs that are not installed.
missing() {
	while read -r program package; do
		command -v "$program" >/dev/null || printf '%s ' "$package"
	done <<-'END'
		haproxy haproxy
		nginx nginx
		caddy caddy
		apache2 apache2-bin
		varnishd varnish
		prometheus-blackbox-exporter prometheus-blackbox-exporter
		prometheus prometheus
		redis-server redis-server
		redis-cli redis-tools
		chromium chromium
		npm npm
		systemd-analyze systemd
	END
}

# Debian installs servers in directories that a user's PATH may lack.
PATH=$PATH:/usr/sbin:/sbin

packages=$(missing)
[ -n "$packages" ] || exit 0
command -v apt-get >/dev/null || fail "no apt-get here: install by hand: $packages"
[ "$(id -u)" = 0 ] || fail "not root: run it as root, or install by hand: $packages"

# The packages start their servers, unless this policy forbids it. invoke-rc.d documents the exit
# status as "action forbidden by policy".
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	trap 'rm -f "$policy"' EXIT
	chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive

# Another apt may be running, such as the nightly upgrade. Install waits for its lock (in seconds);
# update uses another lock and does not wait, and mirrors can fail temporarily.
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
[ -z "$packages" ] || fail "installed, but not found: $packages"
