"""Streamable HTTP: everything between a socket and the MCP SDK.

A request passes these layers, outermost first, each a small ASGI application of its own:

``refusals`` (who and from where, one record of every refusal, no failure without a JSON answer) → ``host_origin`` →
``routing`` (paths, methods, media types) → ``authentication`` → ``limits`` (concurrency, time, disconnects) →
``messages`` (size, syntax, envelope, step-up) → the SDK.

``serve`` runs them on uvicorn with ``connection`` below, which cuts off what no ASGI application gets to see.
"""
