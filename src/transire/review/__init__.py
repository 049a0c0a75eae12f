"""Stage 4: routes that policy permits only with a human wait here.

`states` is a pure state machine, `queue` its durable form, `evidence` the encrypted hold. An
approval is not a bearer token: release detects and evaluates again (I10).
"""
