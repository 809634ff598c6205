#!/usr/bin/python3
"""Who may depend on whom, kept by this table: packages are publicly visible, since other workspaces use single targets.

Reads BUILD.bazel and .bzl files, prints `package -> label: not allowed, see CONTRIBUTING.md` for every label that the
table does not allow, and exits 1. With --self_test it also makes sure that it finds wrong ones."""

import os
import re
import shutil
import sys
import tempfile

# From the bottom up: package -> the packages that it may use, or "package:target" for that target alone. Tests may use
# all that stands above their own package here. To widen an entry is to change the design: the commit says why.
ALLOWED = {
    "tools": "@com_github_google_benchmark",
    "gbmoa/base": "@icu @libtorch @nlohmann_json",
    "gbmoa/task": "",
    "eval": "eval/metrics eval/readers gbmoa/task",
    "eval/metrics": "@icu eval:metric",
    "eval/readers": "eval:task_reader gbmoa/task",
    "eval/tokenizers": "@icu eval:tokenizer",
    "gbmoa/meta": "",
    "gbmoa/backbone": "gbmoa/task:episode",
    "gbmoa/adapter": "gbmoa/backbone gbmoa/task:episode",
    "gbmoa/hypernet": "gbmoa/backbone:attention",
    "gbmoa": "gbmoa/adapter gbmoa/backbone gbmoa/hypernet gbmoa/meta gbmoa/task",
    "baselines": "gbmoa:finetuning_learner gbmoa:meta_learner gbmoa/adapter gbmoa/backbone:grouped_linear",
    "gbmoa/interchange": "gbmoa:task_folder gbmoa/backbone:backbone_config gbmoa/backbone:checkpoint_files",
    "gbmoa/cli": "@minilm baselines eval:desk_tasks eval:file_tasks eval:metric eval/metrics eval:task_config "
    "eval:tokenizer eval/tokenizers gbmoa gbmoa/backbone gbmoa/interchange gbmoa/task",
    "repro": "@com_github_gperftools_gperftools @minilm @nlohmann_json @task_data @wordnet "
    "baselines eval eval/tokenizers gbmoa gbmoa/backbone gbmoa/task",
    "tools/bench": "@com_github_gperftools_gperftools @nlohmann_json baselines eval eval/tokenizers gbmoa gbmoa/adapter "
    "gbmoa/backbone gbmoa/hypernet gbmoa/meta gbmoa/task",
    "": "gbmoa/cli",
}
EVERYWHERE = "@bazel_tools @com_google_absl @com_google_protobuf @com_github_google_glog gbmoa/base third_party tools"
IN_TESTS = "@com_github_google_benchmark @com_google_googletest @minilm @wordnet"
# Code about data stays free of LibTorch's headers, which take 7 s to parse; so do programs.
WITHOUT_TORCH = ["gbmoa/task", "eval", "eval/metrics", "eval/readers", "eval/tokenizers"]
WITHOUT_TORCH += ["gbmoa/interchange", "gbmoa/cli"]


def offences(root):
    rules = []  # (package, text of one rule or macro)
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if name not in (".git", "third_party")]
        for name in files:
            if name == "BUILD.bazel" or name.endswith(".bzl"):
                with open(os.path.join(folder, name)) as file:
                    text = re.sub(r"(?m)^ *#.*|^load\(.*", "", file.read())
                package = os.path.relpath(folder, root).lstrip(".")
                rules += [(package, rule) for rule in re.split(r"(?m)^[)\]]+$|^def ", text)]
    names = " ".join(rule for package, rule in rules if package == "gbmoa/base" and '":torch"' in rule)
    torch = {"gbmoa/base:" + name for name in ["torch"] + re.findall(r'name = "(.*?)"', names)}
    found = set()
    for package, rule in rules:
        allowed = {package, *(ALLOWED.get(package, "") + " " + EVERYWHERE).split()}
        if package in ALLOWED and re.search(r"_(test|benchmark)\(|testonly = True", rule):
            allowed |= {*IN_TESTS.split(), *list(ALLOWED)[: list(ALLOWED).index(package)]}
        for label in re.findall(r'"(@\w+|(?:@\w+)?//(?!visibility:|conditions:)[^"]*(?<!__))"', rule):
            repository, _, path = label.replace("@gbmoa//", "//").partition("//")
            target = path if ":" in path else path + ":" + os.path.basename(path)
            wanted = {repository} if repository else {target, target.split(":")[0]}
            if not wanted & allowed or (package in WITHOUT_TORCH and target in torch):
                found.add("%s -> %s: not allowed, see CONTRIBUTING.md" % (package or "//", label))
    return sorted(found)


def self_test(root):
    """In copies of three packages, each with a wrong edge added, the three are found."""
    wrong = [("eval", "@gbmoa//gbmoa/base:shape"), ("gbmoa/base", "@minilm"), ("gbmoa/meta", "//gbmoa/backbone")]
    with tempfile.TemporaryDirectory() as copy:
        for package, label in wrong:
            shutil.copytree(os.path.join(root, package), os.path.join(copy, package))
            with open(os.path.join(copy, package, "BUILD.bazel"), "a") as file:
                file.write('\ncc_library(\n    name = "wrong",\n    deps = ["%s"],\n)\n' % label)
        found = "\n".join(offences(copy))
    return ["tools/check_layers.py misses %s -> %s" % edge for edge in wrong if "%s -> %s" % edge not in found]


if __name__ == "__main__":
    top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.exit("\n".join(offences(top) + (self_test(top) if "--self_test" in sys.argv else [])) or 0)
