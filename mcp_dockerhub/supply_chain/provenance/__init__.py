"""How an image was built, by the statements its builder made."""
