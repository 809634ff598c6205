"""@cuda and @nccl: the toolkit where there is one, else stubs that load, build nothing and say so when they are used."""

def _find(ctx, names, probe):
    for name in names:
        path = ctx.os.environ.get(name) if not name.startswith("/") else name
        if path and ctx.path(path + probe).exists:
            return path
    return None

def _stub(ctx, targets, message):
    ctx.file("BUILD.bazel", 'package(default_visibility = ["//visibility:public"])\n' + "".join([
        '\ngenrule(\n    name = "%s",\n    outs = ["%s.missing"],\n    cmd = "echo \'%s\' >&2; exit 1",\n    tags = ["manual"],\n)\n' %
        (target, target, message)
        for target in targets
    ]))
    ctx.file("defs.bzl", "available = False\n")

def _cuda_impl(ctx):
    root = _find(ctx, ["CUDA_HOME", "CUDA_PATH", "/usr/local/cuda"], "/bin/nvcc")
    if not root:
        _stub(ctx, ["cuda", "nvcc"], "@cuda: no nvcc in CUDA_HOME, CUDA_PATH or /usr/local/cuda")
        return
    ctx.symlink(root, "cuda")
    ctx.file("BUILD.bazel", """package(default_visibility = ["//visibility:public"])

filegroup(
    name = "nvcc",
    srcs = ["cuda/bin/nvcc"],
)

cc_library(
    name = "cuda",
    hdrs = glob(["cuda/include/**/*.h", "cuda/include/**/*.hpp"]),
    includes = ["cuda/include"],
)
""")
    ctx.file("defs.bzl", "available = True\n")

cuda_configure = repository_rule(
    implementation = _cuda_impl,
    environ = ["CUDA_HOME", "CUDA_PATH"],
    local = True,
)

def _nccl_impl(ctx):
    if not ctx.path("/usr/include/nccl.h").exists:
        _stub(ctx, ["nccl"], "@nccl: /usr/include/nccl.h is missing (Debian package libnccl-dev)")
        return
    ctx.file("BUILD.bazel", """package(default_visibility = ["//visibility:public"])

cc_library(
    name = "nccl",
    linkopts = ["-lnccl"],
)
""")
    ctx.file("defs.bzl", "available = True\n")

nccl_configure = repository_rule(
    implementation = _nccl_impl,
    local = True,
)
