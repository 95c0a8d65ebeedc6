"""Facts: one module per fact, with its type, its probe and its parser (pure: answer in, fact out)."""
