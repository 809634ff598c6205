"""place_task_archive.py FOLDER FILE...: what an official archive has of a task, into FOLDER under the names of GLUE.

Part of task_archives.bzl. FILE is a zip, of which the .tsv and .jsonl files in its folder are taken; a .tsv, which is
copied; or the three files of MRPC, whose train.tsv and dev.tsv are made here: dev.tsv has the pairs of the training file
that mrpc_dev_ids.tsv lists, train.tsv the others, both in the training file's order.
"""

import os
import shutil
import sys
import zipfile

HEADER = ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"]


def unzip(archive, folder):
    taken = 0
    with zipfile.ZipFile(archive) as file:
        for member in file.namelist():
            parts = member.split("/")
            # Not what lies deeper, such as CoLA/original/raw/dev.tsv, nor what a desktop leaves in archives.
            if len(parts) != 2 or parts[0] == "__MACOSX" or not parts[1].endswith((".tsv", ".jsonl")):
                continue
            if parts[1].startswith("."):
                continue
            with file.open(member) as source, open(os.path.join(folder, parts[1]), "wb") as target:
                shutil.copyfileobj(source, target)
            taken += 1
    if taken == 0:
        sys.exit("%s: has no FOLDER/NAME.tsv or .jsonl" % archive)


def rows_of(path):
    """The lines' columns; a byte-order mark and carriage returns are no part of them."""
    with open(path, encoding="utf-8-sig", newline="\n") as file:
        return [line.rstrip("\r\n").split("\t") for line in file]


def mrpc(train, dev_ids, folder):
    listed = {tuple(row) for row in rows_of(dev_ids) if len(row) == 2 and row[0].isdigit()}
    rows = rows_of(train)
    if rows[0] != HEADER:
        sys.exit("%s:1: expected the columns %s, found %s" % (train, HEADER, rows[0]))
    for number, row in enumerate(rows, 1):
        if len(row) != 5:
            sys.exit("%s:%d: expected 5 columns, found %d" % (train, number, len(row)))
    dev = [row for row in rows[1:] if (row[1], row[2]) in listed]
    if not listed or len(dev) != len(listed):
        sys.exit("%s: %d pairs are listed, %d of them are in %s" % (dev_ids, len(listed), len(dev), train))
    rest = [row for row in rows[1:] if (row[1], row[2]) not in listed]
    for name, part in (("train.tsv", rest), ("dev.tsv", dev)):
        with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as file:
            file.writelines("\t".join(row) + "\n" for row in [HEADER] + part)


def main(folder, *files):
    os.makedirs(folder, exist_ok=True)
    by_name = {os.path.basename(file): file for file in files}
    if "mrpc_dev_ids.tsv" in by_name:
        mrpc(by_name["msr_paraphrase_train.txt"], by_name["mrpc_dev_ids.tsv"], folder)
        shutil.copy(by_name["msr_paraphrase_test.txt"], folder)
        return
    for file in files:
        if file.endswith(".zip"):
            unzip(file, folder)
        else:
            shutil.copy(file, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
