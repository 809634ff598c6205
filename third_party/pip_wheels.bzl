"""A repository made of Python wheels, each fixed by its SHA-256 and unpacked once per machine.

Wheels are used as archives only: nothing is installed and no Python runs at build time. pip fetches them from whatever
index the machine is set up for. They land in $GBMOA_CACHE (default ~/.cache/gbmoa) under wheels/<sha256>, so another
clone on the same machine neither downloads nor unpacks them again.
"""

def _pip_wheels_impl(ctx):
    arch = ctx.execute(["uname", "-m"]).stdout.strip()
    if arch != "x86_64":
        fail("@%s: the wheels are for x86_64 Linux, this machine is %s" % (ctx.name, arch))
    python = "/usr/bin/python3" if ctx.path("/usr/bin/python3").exists else ctx.which("python3")
    if not python:
        fail("@%s: python3 is missing. Install it with: apt-get install python3 python3-pip" % ctx.name)
    cache = ctx.os.environ.get("GBMOA_CACHE") or ctx.os.environ.get("HOME", "/root") + "/.cache/gbmoa"
    for requirement, sha256 in ctx.attr.wheels.items():
        folder = "%s/wheels/%s" % (cache, sha256)
        if not ctx.path(folder).exists:
            ctx.report_progress("fetching " + requirement)
            result = ctx.execute([python, ctx.path(ctx.attr._fetch), requirement, sha256, folder], timeout = 3600)
            if result.return_code != 0:
                fail("@%s: cannot fetch %s:\n%s" % (ctx.name, requirement, result.stderr))
        ctx.symlink(folder, requirement.split("==")[0].replace("-", "_"))
    for link, target in ctx.attr.links.items():
        ctx.symlink(target, link)
    ctx.symlink(ctx.attr.build_file, "BUILD.bazel")

# wheels: "name==version" -> SHA-256. Each wheel appears as a folder NAME with underscores for dashes.
# links: further path in the repository -> path in it that this one names.
pip_wheels = repository_rule(
    implementation = _pip_wheels_impl,
    attrs = {
        "build_file": attr.label(mandatory = True),
        "links": attr.string_dict(),
        "wheels": attr.string_dict(mandatory = True),
        "_fetch": attr.label(default = "@gbmoa//third_party:fetch_wheel.py"),
    },
    environ = ["GBMOA_CACHE", "HOME"],
)
