"""Targets of a table: //repro:NAME runs it, :NAME_smoke_test runs it quickly."""

load("//tools:build_defs.bzl", "gbmoa_cc_binary")

def gbmoa_table(name):
    """Makes the targets of repro/tables/NAME.textproto."""
    gbmoa_cc_binary(
        name = name,
        srcs = ["run.cc"],
        malloc = "@com_github_gperftools_gperftools//:tcmalloc_minimal",
        data = [
            "tables/%s.textproto" % name,
        ] + select({
            ":task_data_fetched": ["@task_data"],
            "//conditions:default": [],
        }),
        local_defines = ['GBMOA_TABLE=\\"%s\\"' % name] + select({
            ":profile_glue": ['GBMOA_PROFILE=\\"glue\\"'],
            ":profile_4xa100": ['GBMOA_PROFILE=\\"4xa100\\"'],
            "//conditions:default": ['GBMOA_PROFILE=\\"desk\\"'],
        }),
        deps = [
            ":desk_world",
            ":file_world",
            ":submission",
            ":subprocess",
            ":table",
            ":table_main",
            "//baselines",
            "//eval:tokenizer",
            "//eval/tokenizers",
            "//gbmoa",
            "//gbmoa/base:exit_codes",
            "//gbmoa/base:file",
            "//gbmoa/base:flags",
            "//gbmoa/base:runfiles",
            "//gbmoa/base:sha256",
            "//gbmoa/base:status_macros",
            "//gbmoa/base:threads",
            "@com_github_google_glog//:glog",
            "@com_google_absl//absl/flags:flag",
            "@com_google_absl//absl/strings",
        ],
    )
    native.sh_test(
        name = name + "_smoke_test",
        size = "medium",
        srcs = ["smoke_test.sh"],
        args = ["$(rootpath :%s)" % name, name],
        data = [":" + name],
    )
