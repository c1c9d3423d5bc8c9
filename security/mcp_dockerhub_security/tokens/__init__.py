"""Access tokens of a resource server (OAuth 2.1): what is accepted, what is refused, and how that is said.

``bearer`` takes the token from a request, ``verifier`` knows the ones verified before, ``jwt_tokens`` and
``opaque_tokens`` verify the others by the issuer's keys or by asking it, ``claims`` decides on what they say,
``challenge`` and ``metadata`` tell a client how to do better. Nothing here opens a connection: keys and answers of
the issuer come through the Protocols of ``key_store`` and ``opaque_tokens``.

No exception, log line or value that leaves this package holds any part of a token: a refusal carries a ``Flaw``,
which is one of a closed set of names with a fixed text each.
"""
