#!/bin/bash
# Style that a program can judge: over all tracked files formatting, white space, and nothing that ties the tree to one
# machine; over all BUILD files who depends on whom. Prints every offence and exits 1; `clang-format -i FILE` mends the
# first kind.
set -uo pipefail
cd "$(dirname "$0")/.."

status=0
offence() {  # offence WHAT LINES
  [[ -z $2 ]] && return
  echo "presubmit: $1:" >&2
  echo "$2" >&2
  status=1
}

mapfile -t sources < <(git ls-files '*.h' '*.cc')
if ! command -v clang-format >/dev/null; then
  offence "clang-format is missing" "apt-get install clang-format"
elif ((${#sources[@]})); then
  offence "not formatted as .clang-format says" "$(clang-format --dry-run -Werror "${sources[@]}" 2>&1 | grep error:)"
fi

# -I leaves binary files out. Data files keep the bytes that they came with.
search() { git grep -nIE "$@" -- . ':!*.tsv' ':!*.jsonl'; }
offence "white space at the end of a line" "$(search '[[:space:]]+$')"
offence "a path of one machine" "$(search '(^|[^[:alnum:]_./-])/(work|home|root|Users)/[[:alnum:]_.]')"
offence "a package registry named by host" "$(search 'py[p]i[.]org|pythonh[o]sted[.]org|deb[.]debi[a]n[.]org')"
offence "a place that was to be filled in" "$(search '@@[A-Z_]+@@' | grep -v tools/presubmit.sh)"
offence "torch/torch.h takes 12 s to parse; include gbmoa/base/torch.h" \
  "$(git grep -nE '#include.*torch/torch[.]h' -- '*.h' '*.cc' | grep -v gbmoa/base/torch.h)"
offence "a dependency that the layers do not have" "$(/usr/bin/python3 tools/check_layers.py --self_test 2>&1)"

((status == 0)) && echo "presubmit: ${#sources[@]} C++ files and all other tracked text are clean"
exit $status
