#!/bin/sh
# A private Redis (or Valkey) server for tests, in a directory of its own, without persistence.
#
#   url=$(tools/redis_private.sh start DIR)   starts, prints redis://127.0.0.1:PORT/0
#   tools/redis_private.sh crash DIR          kills the server; `start` afterwards keeps the port
#   tools/redis_private.sh stop DIR           stops and removes DIR/redis
set -eu

command=${1:?start, crash or stop}
dir=${2:?a directory}
mkdir -p "$dir"
base=$(cd "$dir" && pwd)/redis
server=$(command -v redis-server || command -v valkey-server) ||
    { echo "redis_private: no Redis server installed" >&2; exit 77; }

end() {
    [ -f "$base/pid" ] || return 0
    pid=$(cat "$base/pid")
    kill "-$1" "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    rm -f "$base/pid"
}

case $command in
start)
    mkdir -p "$base"
    [ -f "$base/port" ] || python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' >"$base/port"
    port=$(cat "$base/port")
    "$server" --bind 127.0.0.1 --port "$port" --save '' --appendonly no --dir "$base" \
        --daemonize yes --pidfile "$base/pid" --logfile "$base/log" >/dev/null
    for _ in $(seq 100); do
        if [ -f "$base/pid" ] && grep -q 'Ready to accept connections' "$base/log"; then
            echo "redis://127.0.0.1:$port/0"
            exit 0
        fi
        sleep 0.05
    done
    tail -n 5 "$base/log" >&2
    exit 1
    ;;
crash)
    end KILL
    : >"$base/log"
    ;;
stop)
    end TERM
    rm -rf "$base"
    ;;
*)
    echo "redis_private: what is $command?" >&2
    exit 2
    ;;
esac
