# Sourced by scripts/scan-*: runs one check, and notes how it ended in $SCAN_SUMMARY.
# shellcheck shell=sh

SCAN_SUMMARY=${SCAN_SUMMARY:-/dev/null}
mkdir -p reports

# check NAME PROGRAM ARGUMENT...   the program decides by its exit code
check() {
  check_name=$1
  shift
  if ! command -v "$1" >/dev/null 2>&1; then
    missing "$check_name" "$1 is not installed"
    return
  fi
  printf '\n== %s\n' "$check_name"
  if "$@"; then
    echo "ok       $check_name" >>"$SCAN_SUMMARY"
  else
    echo "FAILED   $check_name (exit code $?)" >>"$SCAN_SUMMARY"
  fi
}

# missing NAME REASON   a check that cannot run here
missing() {
  printf '\n== %s: not run: %s\n' "$1" "$2"
  if [ -n "${SCAN_STRICT:-}" ]; then
    echo "FAILED   $1: not run: $2" >>"$SCAN_SUMMARY"
  else
    echo "skipped  $1: $2" >>"$SCAN_SUMMARY"
  fi
}
