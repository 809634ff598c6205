"""Counts the test cases of one `bazel test` from its build events and the test.xml files that they name.

Prints the failures, and as the last line `N passed, N failed`. Exits 0 only if something passed and nothing failed. A
target that fails without a failed case (crash, timeout, does not build) counts as one failure; a skipped case is neither.
"""

import argparse
import json
import os
import sys
import urllib.parse
import xml.etree.ElementTree


def count_cases(path):
    """Returns (passed, names of failed, skipped) of a test.xml by googletest or by Bazel itself."""
    passed, failed, skipped = 0, [], 0
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append("%s.%s" % (case.get("classname", ""), case.get("name", "")))
        elif case.get("status") == "notrun":
            pass  # DISABLED_
        elif case.find("skipped") is not None or case.get("result") == "skipped":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", required=True, help="file that --build_event_json_file wrote")
    parser.add_argument("--bazel_status", type=int, required=True, help="exit code of bazel")
    parser.add_argument("--other_failures", type=int, default=0, help="failures outside of Bazel to add")
    args = parser.parse_args()

    passed, skipped, targets, cached = 0, 0, 0, 0
    failed = ["not a Bazel test: see above"] * args.other_failures
    with open(args.events) as events:
        for line in events:
            event = json.loads(line)
            identity = event["id"]
            if "testResult" in identity:
                result, label = event["testResult"], identity["testResult"]["label"]
                if result.get("status") != "PASSED" and identity["testResult"].get("attempt", 1) > 1:
                    continue  # retries of one failure
                targets += 1
                cached += bool(result.get("cachedLocally") or result.get("executionInfo", {}).get("cachedRemotely"))
                files = {f["name"]: urllib.parse.unquote(f.get("uri", "")) for f in result.get("testActionOutput", [])}
                xml_path = files.get("test.xml", "").replace("file://", "", 1)
                cases = (0, [], 0)
                if os.path.exists(xml_path):
                    try:
                        cases = count_cases(xml_path)
                    except xml.etree.ElementTree.ParseError:
                        pass  # cut off by a crash: the status below tells
                passed += cases[0]
                failed += ["%s %s" % (label, name) for name in cases[1]]
                skipped += cases[2]
                if result.get("status") != "PASSED" and not cases[1]:
                    failed.append("%s %s" % (label, result.get("status")))
            elif "targetCompleted" in identity and not event.get("completed", {}).get("success"):
                failed.append("%s does not build" % identity["targetCompleted"]["label"])
    if args.bazel_status != 0 and not failed:
        failed.append("bazel exited with %d" % args.bazel_status)
    if passed == 0 and not failed:
        failed.append("no test ran")

    for name in failed:
        print("FAILED " + name)
    print("%d test targets (%d from the cache), %d cases skipped" % (targets, cached, skipped))
    print("%d passed, %d failed" % (passed, len(failed)))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
