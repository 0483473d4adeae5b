#!/usr/bin/env bash
# Runs every bench of this folder, one after the other: programs built from
# NAME.c, and scripts NAME.py. Each prints `name value unit`, a line a figure.
# Nothing is asserted; compare within one run only, machines are noisy.
#
#   tests/bench/run.sh BUILD_DIR [PATTERN]
set -uo pipefail
build=${1:?usage: tests/bench/run.sh BUILD_DIR [PATTERN]}
here=$(dirname "$0")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

for bench in "$build"/tests/bench/* "$here"/*.py; do
	name=$(basename "$bench")
	[[ -x $bench && $name == *${2:-}* ]] || continue
	case $name in *.o | *.d) continue ;; esac
	echo "# $name"
	TMPDIR=$work timeout 300 "$bench" "$build" ||
		echo "# $name ended with $?"
done
