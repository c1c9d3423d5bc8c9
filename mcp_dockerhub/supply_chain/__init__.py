"""What is in an image, who built it, and what of that can be proven."""
