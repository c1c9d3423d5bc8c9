"""``python -m mcp_dockerhub`` is the command."""

import sys

from mcp_dockerhub.cli import main

sys.exit(main())
