#!/usr/bin/env bash
# Holds the shape of the tree by reading its #include lines: who may include
# whom, one home per library, files of at most 500 lines. Then it breaks each
# rule on purpose in a copy and expects to be told.
#
#   tests/layers.sh          the tree that this file is in
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# Includer (first that fits)   may include of ours     but never
# OWN stands for a tool's own name: screen_x11.c may include screen_*.h. web is
# the HTTP that talking tools share, built into each of them.
arrows() { cat <<'TABLE'
^common/                ^common/
^agent/store/           ^(common|agent/store)/
^agent/run/             ^(common|agent/(store|run))/
^agent/ops/             ^(common|agent/(store|run|ops))/
^agent/gate/            ^(common|agent/(store|run|ops|gate))/
^agent/core/            ^(common|agent/(store|run|ops|gate|core))/
^agent/net/             ^(common|agent/(store|run|ops|gate|core|net))/
^agent/[^/]+$           ^(common/|agent/((store|run|ops|gate|core|net)/|[^/]+$))
^agent/tools/           ^(common/|agent/tools/(tool\.h|web\.h|OWN))
^agent/                 ^common/
^console/(main|cli)     ^(common|console)/
^console/link           ^(common/|console/link)
^console/preview\.c$    ^(common/|console/picture\.h$)
^console/screen         ^(common|console)/      ^console/(link|model|cli|main)
^console/model          ^(common|console)/      ^console/(view|screen|link|cli|main)
^console/               ^(common|console)/      ^console/(screen|link|cli|main)
TABLE
}

# A library's header           its homes
homes() { cat <<'TABLE'
^libwebsockets\.h$           ^(agent/net/|console/link)
^uv\.h$                      ^agent/(core|net)/
^git2(\.h|/)                 ^(agent/store/ssot|common/conf\.c$)
^sqlite3\.h$                 ^agent/store/index
^zstd(_errors)?\.h$          ^agent/store/journal_zst
^seccomp\.h$                 ^agent/sandbox
^curl/                       ^(agent/tools/|console/link)
^(ncursesw?/|n?curses\.h|term\.h)  ^console/screen
^xcb/                        ^agent/tools/screen
^(png|jpeglib|turbojpeg)\.h$ ^(agent/tools/screen|console/preview\.c$)
^chafa                       ^console/preview\.c$
^(check|vterm)\.h$           ^$
TABLE
}

# violations RULE ROOT: what breaks RULE (arrows, homes, length) under ROOT.
violations() {
	local root=$2
	case $1 in
	length)
		(cd "$root" && find agent common console tests contrib \
			\( -name '*.[ch]' -o -name '*.def' -o -name '*.sh' \
			-o -name '*.py' \) -exec wc -l {} +) |
			awk '$2 != "total" && $1 > 500 {
				print $2 " has " $1 " lines" }'
		;;
	*)
		(cd "$root" && grep -rHE '^[ \t]*#[ \t]*include' \
			--include='*.[ch]' --include='*.def' \
			agent common console) | check_includes "$1"
		;;
	esac
}

# Lines "file:#include <x>" on stdin, against one table.
check_includes() {
	awk -v rule="$1" -v table="$("$1")" '
	BEGIN {
		n = split(table, line, "\n")
		for (i = 1; i <= n; i++) {
			split(line[i], f, " +"); left[i] = f[1]; right[i] = f[2]; never[i] = f[3]
		}
	}
	{
		file = $0; sub(/:.*/, "", file)
		what = $0; sub(/^[^:]*:[ \t]*#[ \t]*include[ \t]*/, "", what)
		ours = what ~ /^"/
		gsub(/["<>]/, " ", what); split(what, w, " "); what = w[1]
	}
	rule == "arrows" && ours {
		for (i = 1; i <= n && file !~ left[i]; i++)
			;
		ok = right[i]
		own = file; sub(/.*\//, "", own); sub(/[_.].*/, "", own)
		sub(/OWN/, own "[_.]", ok)
		if (i > n || what !~ ok || (never[i] && what ~ never[i]))
			print file " may not include \"" what "\""
	}
	rule == "homes" {
		for (i = 1; i <= n; i++)
			if (what ~ left[i] && file !~ right[i])
				print file " is no home of <" what ">"
	}'
}

passed=0 failed=0
result() { # result NAME PROBLEMS
	if [ -z "$2" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAIL %s\n%s\n' "$1" "$2"
	fi
}

for rule in arrows homes length; do
	result "$rule" "$(violations $rule .)"
done

# One violation each, in a tree that holds nothing else.
seed=$(mktemp -d)
trap 'rm -rf "$seed"' EXIT
while read -r rule file what; do
	rm -rf "${seed:?}"/*
	mkdir -p "$seed"/{agent,common,console,tests,contrib}
	mkdir -p "$(dirname "$seed/$file")"
	case $rule in
	length) yes '' | head -n "$what" >"$seed/$file" ;;
	*) echo "#include $what" >"$seed/$file" ;;
	esac
	found=$(violations "$rule" "$seed")
	case $found in
	"$file "*) result "seeded" "" ;;
	*) result "seeded" "not noticed: $file $what" ;;
	esac
done <<'SEEDS'
arrows common/json.c "agent/store/index.h"
arrows agent/store/index.c "agent/run/tool.h"
arrows agent/run/spawn.c "agent/ops/op.h"
arrows agent/ops/task.c "agent/gate/gate.h"
arrows agent/gate/gate.c "agent/core/queue.h"
arrows agent/core/writer.c "agent/net/route.h"
arrows agent/net/http.c "agent/tools/tool.h"
arrows agent/net/http.c "http.h"
arrows agent/net/http.c "agent/admin.h"
arrows agent/main.c "console/link.h"
arrows agent/main.c "agent/tools/tool.h"
arrows agent/tools/screen_x11.c "agent/store/index.h"
arrows agent/tools/screen_x11.c "agent/tools/youtube_session.h"
arrows agent/other/new.c "agent/store/index.h"
arrows console/model.c "console/view.h"
arrows console/view_tasks.c "console/screen.h"
arrows console/screen.c "console/link.h"
arrows console/link.c "console/model.h"
arrows console/theme.c "agent/store/index.h"
homes agent/ops/task.c <libwebsockets.h>
homes agent/net/http.c <git2.h>
homes agent/store/ssot.c <sqlite3.h>
homes agent/store/journal.c <zstd.h>
homes agent/run/spawn.c <uv.h>
homes agent/run/guard.c <seccomp.h>
homes agent/net/http.c <curl/curl.h>
homes console/view_tasks.c <ncurses.h>
homes console/main.c <chafa.h>
homes agent/tools/notify_main.c <xcb/xcb.h>
homes agent/store/index.c <check.h>
length agent/net/http.c 501
SEEDS

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
