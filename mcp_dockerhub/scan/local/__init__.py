"""Images that lie on this machine, shown to the registry client as one more registry."""
