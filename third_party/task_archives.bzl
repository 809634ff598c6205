"""The official archives of GLUE and SuperGLUE, each fixed by its SHA-256, as one repository laid out as a data root.

@task_data is fetched only when a target needs it, which is what --config=glue_fetch makes the tables do:
glue/CoLA/train.tsv, superglue/CB/val.jsonl and so on, as the tasks' textprotos name them, and FETCHED, a list of what
came from where. `archives`: name (FileTask.archive) -> folder, then URL and SHA-256 of each file.
"""

_GLUE = "https://dl.fbaipublicfiles.com/glue/data/"
_SENTEVAL = "https://dl.fbaipublicfiles.com/senteval/senteval_data/"
_SUPERGLUE = "https://dl.fbaipublicfiles.com/glue/superglue/data/v2/"

TASK_ARCHIVES = {
    "glue_ax": ["glue/AX", _GLUE + "AX.tsv", "0e13510b1bb14436ff7e2ee82338f0efb0133ecf2e73507a697dc210db3f05fd"],
    "glue_cola": ["glue/CoLA", _GLUE + "CoLA.zip", "f212fcd832b8f7b435fb991f101abf89f96b933ab400603bf198960dfc32cbff"],
    "glue_mnli": ["glue/MNLI", _GLUE + "MNLI.zip", "e7c1d896d26ed6caf700110645df426cc2d8ebf02a5ab743d5a5c68ac1c83633"],
    "glue_mrpc": [
        "glue/MRPC",
        _SENTEVAL + "msr_paraphrase_train.txt",
        "60a9b09084528f0673eedee2b69cb941920f0b8cd0eeccefc464a98768457f89",
        _SENTEVAL + "msr_paraphrase_test.txt",
        "a04e271090879aaba6423d65b94950c089298587d9c084bf9cd7439bd785f784",
        _GLUE + "mrpc_dev_ids.tsv",
        "971d7767d81b997fd9060ade0ec23c4fc31cbb226a55d1bd4a1bac474eb81dc7",
    ],
    "glue_qnli": ["glue/QNLI", _GLUE + "QNLIv2.zip", "e634e78627a29adaecd4f955359b22bf5e70f2cbd93b493f2d624138a0c0e5f5"],
    "glue_qqp": ["glue/QQP", _GLUE + "QQP-clean.zip", "40e7c862c04eb26ee04b67fd900e76c45c6ba8e6d8fab4f8f1f8072a1a3fbae0"],
    "glue_rte": ["glue/RTE", _GLUE + "RTE.zip", "6bf86de103ecd335f3441bd43574d23fef87ecc695977a63b82d5efb206556ee"],
    "glue_sst2": ["glue/SST-2", _GLUE + "SST-2.zip", "d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa"],
    "glue_stsb": ["glue/STS-B", _GLUE + "STS-B.zip", "e60a6393de5a8b5b9bac5020a1554b54e3691f9d600b775bd131e613ac179c85"],
    "glue_wnli": ["glue/WNLI", _GLUE + "WNLI.zip", "ae0e8e4d16f4d46d4a0a566ec7ecceccfd3fbfaa4a7a4b4e02848c0f2561ac46"],
    "superglue_boolq": ["superglue/BoolQ", _SUPERGLUE + "BoolQ.zip", "853fbe7922f70c59629f06a39e8d9ca440c3d740e760fd3b87a5ddf3dcba2436"],
    "superglue_cb": ["superglue/CB", _SUPERGLUE + "CB.zip", "8d641383298d54554066ba1c93f56ae7410af75df621b90c63028806bbbbb535"],
    "superglue_copa": ["superglue/COPA", _SUPERGLUE + "COPA.zip", "405906cddac74bc1e1ce8220f1107d1025b66a25ef10149d91b10bb30651125f"],
    "superglue_multirc": ["superglue/MultiRC", _SUPERGLUE + "MultiRC.zip", "b3cd440856e72eb166b2edcd37b798455f1ebd51f2c3de64c0c2a4e1971d2737"],
    "superglue_record": ["superglue/ReCoRD", _SUPERGLUE + "ReCoRD.zip", "30c7b651ab21b8bf8fab986495cd1084333010e040548f861b839eec0044ac18"],
    "superglue_rte": ["superglue/RTE", _SUPERGLUE + "RTE.zip", "6310aab3f000424c9d0318a1ff20692e07c7f4aa15e8f17a5972ea0a35c398b9"],
    "superglue_wic": ["superglue/WiC", _SUPERGLUE + "WiC.zip", "ee7e67f4ae9eafbf533780faa198e62167f3cda54256cdf261877be3c0e90900"],
    "superglue_wsc": ["superglue/WSC", _SUPERGLUE + "WSC.zip", "2ed6dfa94556b4a128ff0441efe365b2e883124e7e6aa00fb8d3a6cb1fd520a9"],
}

def _task_archives_impl(ctx):
    python = "/usr/bin/python3" if ctx.path("/usr/bin/python3").exists else ctx.which("python3")
    if not python:
        fail("@%s: python3 is missing. Install it with: apt-get install python3" % ctx.name)
    fetched = []
    for name, entry in sorted(ctx.attr.archives.items()):
        files = []
        for i in range(1, len(entry), 2):
            ctx.report_progress("fetching " + entry[i])
            files.append(".archives/%s/%s" % (name, entry[i].split("/")[-1]))
            ctx.download(entry[i], files[-1], sha256 = entry[i + 1])
            fetched.append("%s %s %s" % (name, entry[i], entry[i + 1]))
        result = ctx.execute([python, ctx.path(ctx.attr._place), entry[0]] + files, timeout = 3600)
        if result.return_code != 0:
            fail("@%s: cannot unpack %s:\n%s" % (ctx.name, name, result.stderr))
    ctx.delete(".archives")
    ctx.file("FETCHED", "\n".join(fetched) + "\n", executable = False)
    ctx.file("BUILD.bazel", """filegroup(
    name = "%s",
    srcs = ["FETCHED"] + glob(["*/*/*"]),
    visibility = ["//visibility:public"],
)
""" % ctx.name, executable = False)

task_archives = repository_rule(
    implementation = _task_archives_impl,
    attrs = {
        "archives": attr.string_list_dict(default = TASK_ARCHIVES),
        "_place": attr.label(default = "@gbmoa//third_party:place_task_archive.py"),
    },
)
