"""Plain-text rendering for people: sizes, times, tables. No knowledge of any result."""
