"""A process that writes an audit log as fast as it can, and says on stdout what it was acknowledged.

python -m tests.upstreams.audit_writer PATH POLICY KEY_FILE FIRST COUNT

Records are numbered from FIRST. Each line is the number of a record that ``settle`` returned for; ``stopped``
where the disk took no more.
"""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

from mcp_dockerhub_security.audit import AuditLog, AuditOptions, AuditUnavailableError, FsyncPolicy
from mcp_dockerhub_security.audit_keeper import AuditKeeper
from mcp_dockerhub_security.audit_keys import Signer

CALLERS = 16


async def main(path: str, policy: FsyncPolicy, signer: Signer, numbers: Iterator[int]) -> None:
    """Write until killed, until the disk is full, or all ``numbers``."""
    log = AuditLog.open(path, options=AuditOptions(policy, 100_000, 50, 0.05, signer))
    keeper = AuditKeeper([log])

    async def caller() -> None:
        for number in numbers:
            log.append("outcome", {"number": number, "padding": "x" * 100})
            try:
                await log.settle()
            except AuditUnavailableError:
                return
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()

    async def keep() -> None:
        while True:
            await keeper.look()
            await asyncio.sleep(0.01)

    keeping = asyncio.create_task(keep())
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    keeping.cancel()
    sys.stdout.write("stopped\n")
    sys.stdout.flush()


if __name__ == "__main__":
    policy: FsyncPolicy = "always" if sys.argv[2] == "always" else "intent"
    first, count = map(int, sys.argv[4:6])
    signer = Signer.load(Path(sys.argv[3]).read_text())
    asyncio.run(main(sys.argv[1], policy, signer, iter(range(first, first + count))))
