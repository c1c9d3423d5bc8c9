"""The metrics layer: metrics, health, history, process and the endpoint that shows them."""
