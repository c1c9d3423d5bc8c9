"""What follows from what registries say about images: one service module per tool."""
