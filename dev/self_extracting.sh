#!/bin/sh
# leader-node in one file: unpacks itself once into the user's cache, under its hash, and starts from there.
set -eu
hash=@HASH@
lines=@LINES@
megabytes=@MEGABYTES@

fail() {
  echo "leader-node: $1" >&2
  exit 1
}

need() {
  for program; do
    command -v "$program" >/dev/null 2>&1 || fail "cannot unpack itself without $program, which is not on the PATH"
  done
}

# Whether a folder is ours alone to write to.
is_ours() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] && [ -z "$(find "$1" -prune \( -perm -020 -o -perm -002 \))" ]
}

# The first folder that can be had: of the cache, or, for users without a home, of the temporary files.
find_cache() {
  cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
  for cache in ${cache:+"$cache/leader-node"} "${TMPDIR:-/tmp}/leader-node-$(id -u)"; do
    mkdir -p "${cache%/*}" 2>/dev/null || :
    problem=$(LC_ALL=C mkdir -m 700 "$cache" 2>&1) || :
    # Whoever has all of it need not write.
    if is_ours "$cache" && { [ -w "$cache" ] || is_whole "$cache/$hash"; }; then return; fi
    if [ -d "$cache" ] && [ ! -w "$cache" ]; then problem=$(LC_ALL=C mkdir "$cache/.new-$$" 2>&1) || :; fi
  done
  case $problem in
    *"Read-only file system"*)
      fail "cannot unpack itself: $cache is on a read-only file system; XDG_CACHE_HOME names another place"
      ;;
  esac
  fail "cannot unpack itself: expected a folder of this user alone at $cache; XDG_CACHE_HOME names another place"
}

# Whether all files are there: whoever cleans up temporary files takes them one by one.
is_whole() {
  [ -f "$1/.files" ] || return 1
  while read -r name; do
    [ -s "$1/$name" ] || return 1
  done <"$1/.files"
}

# Removes what a process has begun to unpack, if it dies before it is done.
clean_up_after() {
  trap '' INT TERM HUP
  trap - EXIT
  while [ -d "$new" ] && kill -0 "$1"; do sleep 0.2; done
  rm -rf "$new"
}

unpack() {
  need tar gzip mktemp tail
  mask=$(umask)
  umask 077
  # What was left by starts that were killed.
  find "$cache" -name ".new-*" -prune -mmin +60 -exec rm -rf {} + 2>/dev/null || :
  new=$(mktemp -d "$cache/.new-XXXXXX") || fail "cannot write to $cache"
  trap 'rm -rf "$new"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  # Against SIGKILL there is no trap, but whoever cleans up can outlive it. It is no child: nobody would reap it.
  (clean_up_after $$ >/dev/null 2>&1 </dev/null &)
  tail -n "+$lines" "$0" | tar -xzf - -C "$new" 2>/dev/null ||
    fail "cannot unpack $megabytes MB into $cache: free some space, or name another place with XDG_CACHE_HOME"
  names=$(ls "$new")
  echo "$names" >"$new/.files"
  # What has lost files goes; those that run from there keep them open.
  if [ -d "$home" ] && ! is_whole "$home"; then mv "$home" "$new/.broken" 2>/dev/null || :; fi
  # Of two that do this at once, the second's ends up inside the first's, and goes.
  mv "$new" "$home" 2>/dev/null || :
  rm -rf "$home/${new##*/}" "$home/.broken" "$new"
  umask "$mask"
  trap - EXIT INT TERM HUP
}

need find id
find_cache
home=$cache/$hash
is_whole "$home" || unpack
is_ours "$home" || fail "$home is not this user's alone: remove it"
[ -x "$home/leader-node" ] || fail "cannot run programs in $cache; name another place with XDG_CACHE_HOME"
exec "$home/leader-node" run -A --quiet --no-config --no-prompt --cached-only "$home/main.js" "$@"
