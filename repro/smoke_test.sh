#!/bin/bash
# Runs a table with --quick and looks at what it leaves: PROGRAM TABLE.
set -u
out=$TEST_TMPDIR/out
"$1" --profile=desk --quick --out="$out"
code=$?
# Cells of a quick run are not judged, so 12: none was attempted. 11 would be a failed run.
[ $code -eq 12 ] || { echo "exit code $code, not 12"; exit 1; }
for file in "$out/$2.json" "$out/$2.md" "$out/$2.html"; do
  [ -s "$file" ] || { echo "$file is missing"; exit 1; }
done
! grep -l RUN_FAILED "$out/$2.json" || exit 1
# The same command finds everything done: it writes no cell and no meta-trained state again.
finished() { find "$out/cells" "$out/meta" -type f -printf '%p %T@\n' | sort; }
before=$(finished)
[ -n "$before" ] || { echo "no finished cells"; exit 1; }
"$1" --profile=desk --quick --out="$out" > /dev/null || [ $? -eq 12 ] || exit 1
[ "$before" = "$(finished)" ] || { echo "the second run did finished work again"; exit 1; }
