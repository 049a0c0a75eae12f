"""What `transire doctor` looks at: one module a place, each check one line with what to do.

Nothing here changes anything, founds anything or sends a byte to an upstream; what cannot be looked
at is a line of its own, never silence.
"""
