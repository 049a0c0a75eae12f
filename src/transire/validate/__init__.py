"""Stage 7: hold a whole answer against the contract in its own request.

`schema`, `strict_json`, `repair`, `finish` and `toolcalls` are pure; `judge` decides where a
schema runs, `mend` where a repair does; `isolation` owns the child processes in which `worker` runs
what could be slow; `contract` is the stage. Violations carry kinds and positions, never a value or
a caller's own name (I6).
"""
