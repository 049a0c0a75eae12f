"""Stage 2: Cedar decides which (deployment, raw | redacted) pairs may receive a request.

Pure: `facts effects explain`. Cedar: `engine` (evaluation), `memo` (what a bundle can observe),
`cedar` (the stage). Nothing else in the product decides eligibility.
"""
