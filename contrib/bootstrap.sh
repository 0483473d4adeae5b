#!/usr/bin/env bash
# Installs what this machine lacks to build, run and check kircerta, and
# nothing else: when nothing is missing it asks dpkg once and is silent.
#
#   contrib/bootstrap.sh [--build] [--run] [--test] [--bench] [--list]
#
# Without a group build, run and test; bench brings what make bench compares
# with. CC=clang adds clang. --list prints the packages.
# KIRCERTA_BOOTSTRAP=no skips it, for systems where they came another way.
set -euo pipefail

# group  package (Debian and Ubuntu)    what for
packages() { cat <<'TABLE'
build    gcc                            the compiler; brings the sanitizers
build    libc6-dev                      headers
build    make                           the Makefile
build    pkg-config                     finds the libraries
build    libwebsockets-dev              HTTP, SSE, websocket
build    libuv1-dev                     the event loop
build    libjansson-dev                 JSON
build    libgit2-dev                    task repository, config syntax
build    libssl-dev                     hashes, HMAC, Ed25519
build    libsqlite3-dev                 the index of the journal
build    libseccomp-dev                 calls that the agent gives up
build    zlib1g-dev                     packs of the task repository
build    libzstd-dev                    old segments of the journal, compressed
build    libcurl4-openssl-dev           uploads and notifications
build    libncurses-dev                 the console
build    libchafa-dev                   image previews in the console
build    libglib2.0-dev                 what libchafa's headers include
build    libxcb1-dev                    screen.capture
build    libxcb-shm0-dev                screen.capture
build    libxcb-xfixes0-dev             the cursor in a capture
build    libxcb-randr0-dev              monitors
build    libpng-dev                     PNG
build    libjpeg-dev                    JPEG in previews
build    libturbojpeg0-dev              JPEG from captures
clang    clang                          CC=clang
clang    libclang-rt-dev                CC=clang SAN=1
run      libwebsockets-evlib-uv         websockets' side of libuv, loaded late
run      ca-certificates                uploads to real channels
run      ffmpeg                         screen.record
run      git                            edits of agent.conf in run.sh
run      curl                           the demo Coordinator; executor.sh
run      jq                             the demo Coordinator; executor.sh
run      python3                        the demo's local channel; the clients
run      xvfb                           a display where there is none
run      x11-apps                       something that moves on it
test     check                          unit tests
test     libvterm-dev                   golden screens
test     python3                        black-box flows
test     xvfb                           a display for the capture tests
test     x11-apps                       something to capture
test     ffmpeg                         reads recordings back
test     git                            reads the task repository
test     openssl                        a witness and an authority for time stamps
test     zstd                           reads compressed segments back
test     golang-go                      another reader of the record
test     golang-golang-x-mod-dev        another reader of the record
test     curl                           the executor in shell
test     jq                             the executor in shell; an archive's check
test     openssl                        an archive's own verification
test     strace                         delays and fails the journal's sync
test     openssh-client                 a remote over ssh; signed decisions
test     openssh-server                 a remote over ssh
test     nginx-light                    a remote over HTTP
test     fcgiwrap                       git behind nginx
bench    etcd-server                    compare-and-swap beside it
bench    postgresql                     compare-and-swap beside it; pgbench
bench    nginx-light                    answers beside it
TABLE
}

# package         its services, which stay off: tests start their own
services() { cat <<'TABLE'
openssh-server    ssh.service ssh.socket
nginx-light       nginx.service
fcgiwrap          fcgiwrap.service fcgiwrap.socket
etcd-server       etcd.service
postgresql        postgresql.service
TABLE
}

die() { printf 'bootstrap: %s\n' "$@" >&2; exit 1; }

[ "${KIRCERTA_BOOTSTRAP:-}" != no ] || exit 0
groups='' list=''
for arg; do
	case $arg in
	--build | --run | --test | --bench) groups+=" ${arg#--}" ;;
	--list) list=yes ;;
	*) die "unknown option $arg; see the head of $0" ;;
	esac
done
groups=${groups:- build run test}
case "${CC:-}" in *clang*) groups+=" clang" ;; esac

wanted=() # each once, in the table's order
while read -r group package _; do
	[[ " $groups " == *" $group "* ]] || continue
	[[ " ${wanted[*]} " == *" $package "* ]] || wanted+=("$package")
done < <(packages)
[ -z "$list" ] || { printf '%s\n' "${wanted[@]}"; exit 0; }

if ! type -P dpkg-query apt-get >/dev/null; then
	die "this is not Debian or Ubuntu, so nothing was installed." \
		"Install what these packages are called here:" \
		"  ${wanted[*]}" \
		"then run again with KIRCERTA_BOOTSTRAP=no in the environment."
fi

have=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' \
	"${wanted[@]}" 2>/dev/null || true)
missing=()
for package in "${wanted[@]}"; do
	[[ $'\n'$have$'\n' == *$'\n'"installed $package"$'\n'* ]] ||
		missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

# Root, else sudo; it may ask for a password where somebody can type one.
as_root=()
if [ "$(id -u)" != 0 ]; then
	type -P sudo >/dev/null ||
		die "as root: apt-get install ${missing[*]}"
	as_root=(sudo)
	[ -t 0 ] || as_root+=(-n)
	"${as_root[@]}" true ||
		die "sudo did not let us in; as root: apt-get install ${missing[*]}"
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq \
		-o DPkg::Lock::Timeout=120 "$@" >>"$log" 2>&1 </dev/null
}

# A server that comes for the tests must not begin to serve this machine; one
# that is there already stays as it is.
units=()
while read -r package names; do
	[[ " ${missing[*]} " == *" $package "* ]] || continue
	for unit in $names; do
		[ -e "/lib/systemd/system/$unit" ] || units+=("$unit")
	done
done < <(services)
policy=/usr/sbin/policy-rc.d # what packages ask before they start a service
if [ ${#units[@]} -gt 0 ] && [ ! -e $policy ]; then
	trap '"${as_root[@]}" rm -f $policy; rm -f "$log"' EXIT
	printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
	"${as_root[@]}" chmod 755 $policy
fi

printf 'bootstrap: installing %s\n' "${missing[*]}" >&2
apt update || true # old lists may do; install says what it could not find
if ! apt install -y --no-install-recommends "${missing[@]}"; then
	grep -E '^(E|W|Err|dpkg):?' "$log" >&2 || tail -n 15 "$log" >&2
	die "apt-get could not install them. Mend what it says, then as root:" \
		"  apt-get update && apt-get install ${missing[*]}"
fi
if [ ${#units[@]} -gt 0 ] && type -P systemctl >/dev/null; then
	"${as_root[@]}" systemctl disable "${units[@]}" >>"$log" 2>&1 || true
fi
