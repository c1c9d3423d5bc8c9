"""The tools: parse the input, call a service, return a model."""
