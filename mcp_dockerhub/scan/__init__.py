"""``mcp-dockerhub scan`` and ``report``: one image judged for a build, by a person or a pipeline."""
