#!/bin/bash
# place_task_archive.py on small archives, and on MRPC's own pairs where GBMOA_DATA has them.
set -u
place=third_party/place_task_archive.py
cd_to=$TEST_TMPDIR
script=$PWD/$place
cd "$cd_to" || exit 1
fail() { echo "FAILED: $1"; exit 1; }

/usr/bin/python3 - <<'PY'
import zipfile
with zipfile.ZipFile("CoLA.zip", "w") as z:
    z.writestr("CoLA/train.tsv", "gj04\t1\t\tA sentence.\n")
    z.writestr("CoLA/original/raw/dev.tsv", "not this one\n")
    z.writestr("__MACOSX/._train.tsv", "nor this\n")
with zipfile.ZipFile("empty.zip", "w") as z:
    z.writestr("readme.txt", "nothing\n")
header = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
with open("msr_paraphrase_train.txt", "w", encoding="utf-8-sig", newline="") as f:
    f.write(header + "1\t10\t11\tA caf\u00e9 .\t\"A caf\u00e9 .\r\n0\t20\t21\tb\tc\n1\t11\t10\td\te\n")
with open("msr_paraphrase_test.txt", "w") as f:
    f.write(header)
with open("mrpc_dev_ids.tsv", "w") as f:
    f.write("20\t21\n")
with open("odd.txt", "w") as f:
    f.write(header + "1\t10\t11\tfour columns\n")
PY

/usr/bin/python3 "$script" glue/CoLA CoLA.zip || fail "zip"
[[ $(ls glue/CoLA) == train.tsv && $(cat glue/CoLA/train.tsv) == $'gj04\t1\t\tA sentence.' ]] || fail "what the zip has"
/usr/bin/python3 "$script" glue/AX mrpc_test.tsv 2>/dev/null && fail "a file that is not there"
cp msr_paraphrase_test.txt AX.tsv
/usr/bin/python3 "$script" glue/AX AX.tsv && cmp AX.tsv glue/AX/AX.tsv || fail "a table"
/usr/bin/python3 "$script" glue/empty empty.zip 2>/dev/null && fail "a zip without tables"

three="msr_paraphrase_train.txt msr_paraphrase_test.txt mrpc_dev_ids.tsv"
/usr/bin/python3 "$script" glue/MRPC $three || fail "MRPC"
header=$'Quality\t#1 ID\t#2 ID\t#1 String\t#2 String'
[[ $(cat glue/MRPC/dev.tsv) == "$header"$'\n0\t20\t21\tb\tc' ]] || fail "dev.tsv"
# The same pair the other way round is another one.
[[ $(cat glue/MRPC/train.tsv) == "$header"$'\n1\t10\t11\tA café .\t"A café .\n1\t11\t10\td\te' ]] || fail "train.tsv"
echo $'7\t8' >> mrpc_dev_ids.tsv
/usr/bin/python3 "$script" glue/MRPC $three 2>/dev/null && fail "a listed pair that is not there"
echo $'20\t21' > mrpc_dev_ids.tsv
mv odd.txt msr_paraphrase_train.txt
message=$(/usr/bin/python3 "$script" glue/MRPC $three 2>&1) && fail "a row of four columns"
[[ $message == *"msr_paraphrase_train.txt:2: expected 5 columns, found 4"* ]] || fail "message: $message"

real=${GBMOA_DATA:-}/glue/MRPC
if [[ ! -f $real/dev.tsv ]]; then
  echo "SKIPPED: MRPC's own pairs, for want of GBMOA_DATA"
  exit 0
fi
# The two halves of the training file, put together and taken apart again.
{ cat "$real/train.tsv"; tail -n +2 "$real/dev.tsv"; } > msr_paraphrase_train.txt
tail -n +2 "$real/dev.tsv" | cut -f 2,3 > mrpc_dev_ids.tsv
/usr/bin/python3 "$script" real/MRPC $three || fail "MRPC's own pairs"
cmp real/MRPC/train.tsv "$real/train.tsv" && cmp real/MRPC/dev.tsv "$real/dev.tsv" || fail "MRPC's own pairs differ"
[[ $(wc -l < real/MRPC/train.tsv) == 3669 && $(wc -l < real/MRPC/dev.tsv) == 409 ]] || fail "numbers of MRPC's pairs"
