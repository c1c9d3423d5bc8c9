"""The security manager: identity, policy, limits, validation, sanitising, egress rules, audit."""
