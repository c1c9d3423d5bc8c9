"""Who signed an image, and whether that can be proven here."""
