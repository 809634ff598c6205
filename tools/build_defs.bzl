"""Our C++ rules: cc_library, cc_test and cc_binary with the project's warnings, and benchmarks that are also tests."""

COPTS = [
    "-Wall",
    "-Wextra",
    # LibTorch counts in int64_t, the standard library in size_t; options structs are filled by name.
    "-Wno-sign-compare",
    "-Wno-missing-field-initializers",
    "-Wno-unused-parameter",
]

def gbmoa_cc_library(name, copts = [], **kwargs):
    native.cc_library(
        name = name,
        copts = COPTS + copts,
        **kwargs
    )

def gbmoa_cc_binary(name, copts = [], **kwargs):
    native.cc_binary(
        name = name,
        copts = COPTS + copts,
        **kwargs
    )

def gbmoa_cc_test(name, copts = [], deps = [], size = "small", linkstatic = True, **kwargs):
    """A googletest with its main. linkstatic: libraries are then compiled once, for tests and programs alike."""
    native.cc_test(
        name = name,
        size = size,
        copts = COPTS + copts,
        linkstatic = linkstatic,
        deps = deps + ["@com_google_googletest//:gtest_main"],
        **kwargs
    )

def gbmoa_cc_benchmark(name, copts = [], deps = [], data = [], smoke_args = [], smoke_size = "small", **kwargs):
    """A Google Benchmark program, and NAME_smoke_test that runs each of its benchmarks for a moment."""
    native.cc_binary(
        name = name,
        copts = COPTS + copts,
        data = data,
        deps = deps + ["@com_github_google_benchmark//:benchmark_main"],
        **kwargs
    )
    native.sh_test(
        name = name + "_smoke_test",
        size = smoke_size,
        srcs = ["@gbmoa//tools:run_program.sh"],
        args = ["$(rootpath :%s)" % name, "--benchmark_min_time=0.001"] + smoke_args,
        data = data + [":" + name],
    )
