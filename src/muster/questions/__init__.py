"""Questions beyond those of a shell, each kind with its answers: plain data, imported where it is asked."""
