#!/bin/sh
# Runs the server as a child of its own, as `make run` does: what was launched is not the pool's parent.
"$@" &
server=$!
trap 'kill -TERM "$server"' TERM INT
# wait returns early, with the trap's signal; a second wait takes the server's own status.
wait "$server"
status=$?
if kill -0 "$server" 2>/dev/null; then
    wait "$server"
    status=$?
fi
exit "$status"
