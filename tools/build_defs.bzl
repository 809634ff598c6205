"""Our C++ rules: cc_library, cc_test and cc_binary with the project's warnings, and benchmarks that are also tests."""

COPTS = [
    "-Wall",
    "-Wextra",
    # LibTorch counts in int64_t, the standard library in size_t; options structs are filled by name.
    "-Wno-sign-compare",
    "-Wno-missing-field-initializers",
    "-Wno-unused-parameter",
]

_TORCH = Label("//gbmoa/base:torch")
_TORCH_PCH = Label("//tools:torch_pch")
_NO_PCH = Label("//tools:no_pch")

def _compile(deps, copts):
    """Returns copts and deps of a target; whoever names //gbmoa/base:torch gets its header parsed beforehand."""
    if type(deps) != "list" or not [dep for dep in deps if native.package_name() + dep == "gbmoa/base:torch" or
                                                           dep == "//gbmoa/base:torch" or dep == str(_TORCH)]:
        return dict(copts = COPTS + copts, deps = deps)
    return dict(
        copts = COPTS + copts + select({str(_NO_PCH): [], "//conditions:default": ["-include", "tools/torch_pch.h"]}),
        deps = deps + select({str(_NO_PCH): [], "//conditions:default": [str(_TORCH_PCH)]}),
    )

def gbmoa_cc_library(name, copts = [], deps = [], **kwargs):
    kwargs.update(_compile(deps, copts))
    native.cc_library(name = name, **kwargs)

def gbmoa_cc_binary(name, copts = [], deps = [], **kwargs):
    kwargs.update(_compile(deps, copts))
    native.cc_binary(name = name, **kwargs)

def gbmoa_cc_test(name, copts = [], deps = [], size = "small", linkstatic = True, **kwargs):
    """A googletest with its main. linkstatic: libraries are then compiled once, for tests and programs alike."""
    kwargs.update(_compile(deps, copts))
    kwargs["deps"] = kwargs["deps"] + ["@com_google_googletest//:gtest_main"]
    native.cc_test(name = name, size = size, linkstatic = linkstatic, **kwargs)

def gbmoa_cc_benchmark(name, copts = [], deps = [], data = [], smoke_args = [], smoke_size = "small", **kwargs):
    """A Google Benchmark program, and NAME_smoke_test that runs each of its benchmarks for a moment."""
    kwargs.update(_compile(deps, copts))
    kwargs["deps"] = kwargs["deps"] + ["@com_github_google_benchmark//:benchmark_main"]
    native.cc_binary(name = name, testonly = True, data = data, **kwargs)
    native.sh_test(
        name = name + "_smoke_test",
        size = smoke_size,
        srcs = ["@gbmoa//tools:run_program.sh"],
        args = ["$(rootpath :%s)" % name, "--benchmark_min_time=0.001"] + smoke_args,
        data = data + [":" + name],
    )
