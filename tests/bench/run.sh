#!/usr/bin/env bash
# Runs every bench of this folder, one after the other: programs built from
# NAME.c, and scripts NAME.py. Each prints `name value unit`, a line a figure.
# Nothing is asserted; compare within one run only, machines are noisy.
#
#   tests/bench/run.sh BUILD_DIR [PATTERN]
set -uo pipefail
build=$(realpath "${1:?usage: tests/bench/run.sh BUILD_DIR [PATTERN]}")
here=$(dirname "$(realpath "$0")")
pattern=${2:-}
# beside the build: on the disk that is meant, not in a /tmp of memory
work=$(mktemp -d "$build/bench.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
chmod 711 "$work" # a peer may run as a user of its own
cd "$work" || exit 1

for bench in "$build"/tests/bench/* "$here"/*.py; do
	name=$(basename "$bench")
	[[ -x $bench && $name == *$pattern* ]] || continue
	case $name in
	*.o | *.d | *_load) continue ;;
	*.py) set -- "$bench" "$build" ;;
	*) set -- "$bench" ;;
	esac
	echo "# $name"
	TMPDIR=$work timeout 600 "$@" || echo "# $name ended with $?"
done
