"""What compliance owns, compiled: taxonomy, catalog, routing and rules become one digest.

`source` reads files, `yamlread documents registry` make domain values of YAML, `schema entities
rules` make Cedar of them, `compile` joins all and refuses what is not sound, `lifecycle` governs
which digest is active. Files only ever propose (I9).
"""
