"""Stage 2: Cedar decides which (deployment, raw | redacted) pairs may receive a request.

`cedar` is the stage, `engine` asks, `effects` turns answers into verdicts; the other modules are
one question each. Nothing else in the product decides eligibility.
"""
