"""Build targets of docker-bake.hcl with a network mode, which not every version of bake can set.

    python3 scripts/image_bake.py NETWORK [BAKE ARGUMENT...]

Bake resolves the targets as it always does; each is then built by ``docker buildx build``, one after another.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

# Lists of a resolved target, and the option of `docker buildx build` each entry is for.
LISTS = {
    "tags": "--tag",
    "platforms": "--platform",
    "cache-from": "--cache-from",
    "cache-to": "--cache-to",
    "secret": "--secret",
    "output": "--output",
    "attest": "--attest",
    "no-cache-filter": "--no-cache-filter",
}
KNOWN = {*LISTS, "context", "contexts", "dockerfile", "args", "labels", "target", "no-cache", "pull"}
VALUED = {"--metadata-file", "--progress", "--builder"}


def main() -> int:
    network, *arguments = sys.argv[1:]
    for_build, for_bake = divide(arguments)
    printed = subprocess.run(
        ["docker", "buildx", "bake", "--print", *for_bake], stdout=subprocess.PIPE, text=True, check=False
    )
    if printed.returncode:
        return printed.returncode
    for target in json.loads(printed.stdout)["target"].values():
        command = ["docker", "buildx", "build", f"--network={network}", *for_build, *options(target)]
        done = subprocess.run(command, check=False)
        if done.returncode:
            return done.returncode
    return 0


def divide(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Options that steer a build, and those that say what to build."""
    for_build: list[str] = []
    for_bake: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name = argument.partition("=")[0]
        chosen = for_build if name in VALUED or name == "--no-cache" else for_bake
        chosen.append(argument)
        if name in VALUED and name == argument:
            chosen.append(next(rest))
    return for_build, for_bake


def options(target: Mapping[str, Any]) -> Iterator[str]:
    """The options that build a target as bake would."""
    if unknown := set(target) - KNOWN:
        raise SystemExit(f"image_bake: cannot pass on {', '.join(sorted(unknown))}")
    for name, option in LISTS.items():
        yield from (f"{option}={value}" for value in target.get(name, ()))
    for name, option in (("args", "--build-arg"), ("labels", "--label"), ("contexts", "--build-context")):
        yield from (f"{option}={key}={value}" for key, value in target.get(name, {}).items())
    yield from (f"--{name}" for name in ("no-cache", "pull") if target.get(name))
    yield f"--target={target['target']}"
    # The Dockerfile's path is relative to the context, not to the working directory.
    yield f"--file={target['context']}/{target['dockerfile']}"
    yield target["context"]


if __name__ == "__main__":
    sys.exit(main())
