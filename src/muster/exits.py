"""Exit codes of a run. Those of pytest that mean something else are translated (docs/design.md, 3).

A module of its own, for it is all that pytest needs of Muster where there is no inventory.
"""

EXIT_OK, EXIT_BAD, EXIT_CONFIGURATION, EXIT_NETWORK, EXIT_BROKEN, EXIT_NOTHING = range(6)
EXIT_INTERRUPTED = 130
