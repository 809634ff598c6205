"""Repository rules for what comes from Debian packages: check that it is there, then stand in for the real repository."""

def _install_hint(ctx, what):
    fail("@%s: %s. Install it with: apt-get install %s" % (ctx.name, what, ctx.attr.debian_package))

def _system_library_impl(ctx):
    header = ctx.path(ctx.attr.header)
    if not header.exists:
        _install_hint(ctx, "%s is missing" % ctx.attr.header)
    if ctx.attr.version:
        # Files of data can be large; the version stands near the top, but read() has no limit, so let grep look.
        result = ctx.execute(["grep", "-q", "-m1", "-F", "-e", ctx.attr.version, ctx.attr.header])
        if result.return_code != 0:
            _install_hint(ctx, "%s does not say '%s'" % (ctx.attr.header, ctx.attr.version))
    for source, target in ctx.attr.links.items():
        if ctx.path(source).exists:
            ctx.symlink(source, target)
        elif target not in ctx.attr.optional_links:
            _install_hint(ctx, "%s is missing" % source)
    ctx.symlink(ctx.attr.build_file, "BUILD.bazel")
    packages = {}
    for label in ctx.attr.subpackage_targets:
        package, target = label.split(":")
        packages.setdefault(package, []).append(target)
    for package, targets in packages.items():
        ctx.file(package + "/BUILD.bazel", 'package(default_visibility = ["//visibility:public"])\n' + "".join([
            '\ncc_library(\n    name = "%s",\n    deps = ["//:%s"],\n)\n' % (target, ctx.name)
            for target in targets
        ]))

# version: a string that the header must contain. links: system file -> path in the repository.
# subpackage_targets: "package:target" labels, each a name for the one library of the main BUILD file.
system_library = repository_rule(
    implementation = _system_library_impl,
    attrs = {
        "build_file": attr.label(mandatory = True),
        "debian_package": attr.string(mandatory = True),
        "header": attr.string(mandatory = True),
        "links": attr.string_dict(),
        "optional_links": attr.string_list(),
        "subpackage_targets": attr.string_list(),
        "version": attr.string(),
    },
    local = True,
)

def _system_repository_impl(ctx):
    root = ctx.path(ctx.attr.anchor).dirname if ctx.attr.anchor else ctx.path(ctx.attr.path)
    if not root.exists:
        _install_hint(ctx, "%s is missing" % ctx.attr.path)
    for entry in root.readdir():
        ctx.symlink(entry, entry.basename)

# Like local_repository, but says which Debian package is missing. anchor: a file in the root of a repository that lies
# inside @gbmoa, instead of path.
system_repository = repository_rule(
    implementation = _system_repository_impl,
    attrs = {
        "anchor": attr.label(),
        "debian_package": attr.string(),
        "path": attr.string(),
    },
    local = True,
)
