"""Stage 5: the append-only signed log. Pure format modules first, then the writer.

Pure: `entry merkle checkpoint note verify`. I/O: `signer log sql entries index query export
recorder`; across two processes: `remote message process`.
Formats: RFC 6962 §2.1 (tree), c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-tiles.
"""
