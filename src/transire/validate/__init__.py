"""Stage 7: hold a whole answer against the contract in its own request.

`contract` is the stage, `leakage` judges the classes in an answer, `verdicts` what we think of one
beyond its contract. What could be slow runs in a child process (`isolation`). Violations carry
kinds and positions, never a value or a caller's own name (I6).
"""
