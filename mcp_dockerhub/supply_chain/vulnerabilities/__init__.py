"""Which known vulnerabilities are in an image, and how far that can be trusted."""
