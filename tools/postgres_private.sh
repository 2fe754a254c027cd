#!/bin/sh
# A private PostgreSQL server for tests, in a directory of its own. Never touches another server.
#
#   url=$(tools/postgres_private.sh start DIR)   makes DIR/pg, starts, prints the URL
#   tools/postgres_private.sh restart DIR        stops at once, as in a crash, and starts again
#   tools/postgres_private.sh crash DIR          stops at once and stays down
#   tools/postgres_private.sh stop DIR           stops and removes DIR/pg
#
# As root the server runs as the user postgres (or nobody), for PostgreSQL refuses to be root. Only
# a Unix socket and 127.0.0.1 on a free port listen. DOPPEL_PG_OPTIONS: further options of the server.
set -eu

command=${1:?start, restart, crash or stop}
dir=${2:?a directory}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
base=$dir/pg

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
PATH=${bin:+$bin:}$PATH
command -v initdb >/dev/null || { echo "postgres_private: no PostgreSQL server installed" >&2; exit 77; }

if [ "$(id -u)" -eq 0 ]; then
    user=postgres
    id -u $user >/dev/null 2>&1 || user=nobody
    as() { runuser -u $user -- "$@"; }
else
    user=$(id -un)
    as() { "$@"; }
fi

start() {
    # The last words of the log are the best explanation that there is.
    (cd / && as pg_ctl -D "$base/data" -l "$base/log" -w -t 60 start >/dev/null) ||
        { tail -n 5 "$base/log" >&2; exit 1; }
}

case $command in
start)
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    mkdir "$base"
    # A socket's path holds 107 bytes, and the server's user must reach it through every parent.
    socket=$(mktemp -d /tmp/doppel-pg.XXXXXX)
    echo "$port" >"$base/port"
    echo "$socket" >"$base/socket"
    if [ "$(id -u)" -eq 0 ]; then
        chown $user "$base" "$socket"
        as test -x "$dir" || chmod o+x "$dir"
    fi
    (cd / && as initdb -D "$base/data" -U doppel -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$base/initdb.log" 2>&1) ||
        { cat "$base/initdb.log" >&2; exit 1; }
    {
        echo "port = $port"
        echo "listen_addresses = '127.0.0.1'"
        echo "unix_socket_directories = '$socket'"
        echo "fsync = off"
        echo "max_connections = 60"
        for option in ${DOPPEL_PG_OPTIONS:-}; do echo "$option"; done
    } >>"$base/data/postgresql.conf"
    start
    as psql -q -h "$socket" -p "$port" -U doppel -d postgres -c 'CREATE DATABASE doppel' >/dev/null
    echo "postgresql://doppel@127.0.0.1:$port/doppel?host=$socket"
    ;;
restart)
    (cd / && as pg_ctl -D "$base/data" -m immediate -w stop >/dev/null 2>&1) || true
    start
    ;;
crash)
    (cd / && as pg_ctl -D "$base/data" -m immediate -w stop >/dev/null)
    ;;
stop)
    [ -d "$base" ] || exit 0
    (cd / && as pg_ctl -D "$base/data" -m immediate -w stop >/dev/null 2>&1) || true
    [ ! -f "$base/socket" ] || rm -rf "$(cat "$base/socket")"
    rm -rf "$base"
    ;;
*)
    echo "postgres_private: what is $command?" >&2
    exit 2
    ;;
esac
