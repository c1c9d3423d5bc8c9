"""The HTTP stack: one chain of one-purpose transports, and the only importer of the HTTP library."""
