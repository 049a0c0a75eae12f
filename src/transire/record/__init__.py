"""Stage 5: the append-only signed log.

`recorder` turns a case into entries, `front` is what every user of a log has in front of them,
`log` the writer and `process` the process it runs in. `verify` judges a whole log, with `story` and
the rules that it tells entry by entry. Formats: `entry merkle checkpoint note`; RFC 6962 §2.1
(tree), c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-tiles.
"""
