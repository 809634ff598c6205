#!/bin/bash
# bazel run --config=glue_fetch //repro:fetch_task_data -- --out=DIR: the official archives of GLUE and SuperGLUE, unpacked
# as a data root for --data_root and GBMOA_DATA.
set -euo pipefail
out=${1:-}
[[ $# -eq 1 && $out == --out=?* ]] || { echo "usage: fetch_task_data --out=DIR" >&2; exit 64; }
out=${out#--out=}
[[ $out == /* ]] || out=${BUILD_WORKING_DIRECTORY:-$PWD}/$out
data=${RUNFILES_DIR:-$0.runfiles}/task_data
if [[ ! -f $data/FETCHED ]]; then
  echo "error: the archives have not been fetched: bazel run --config=glue_fetch //repro:fetch_task_data -- --out=DIR" >&2
  exit 66
fi
mkdir -p "$out"
for name in glue superglue FETCHED; do
  [[ ! -e $out/$name ]] || { echo "error: $out/$name is there already; name another folder" >&2; exit 64; }
done
# What is interrupted leaves no half of a file under its name. FETCHED comes last.
copy=$(mktemp -d "$out/.fetched.XXXXXX")
trap 'rm -rf "$copy"' EXIT
cp -rL --no-preserve=mode "$data/." "$copy"
mv "$copy/glue" "$copy/superglue" "$out"
mv "$copy/FETCHED" "$out"
# A line a file: some archives are several.
echo "$(cut -d' ' -f1 "$data/FETCHED" | sort -u | wc -l) archives are in $out; name it with --data_root or GBMOA_DATA"
