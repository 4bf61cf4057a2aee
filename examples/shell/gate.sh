#!/bin/sh
# Runs a program while the node beside it leads: gate.sh PROGRAM ARGS
node=${LEADER_NODE:-http://localhost:8080}
grace=${GRACE:-4}
job=

leads() {
  curl --silent --fail --max-time 1 --output /dev/null "$node/leader"
}

end() {
  [ -n "$job" ] || return 0
  kill -KILL "$job" 2>/dev/null
  wait "$job" 2>/dev/null
  job=
}

trap 'end; exit 0' INT TERM

while :; do
  until leads; do sleep 1 & wait $!; done
  # The former leader's program may take so long to be ended.
  sleep "$grace" & wait $!
  leads || continue
  "$@" &
  job=$!
  while leads && kill -0 "$job" 2>/dev/null; do sleep 1 & wait $!; done
  end
done
