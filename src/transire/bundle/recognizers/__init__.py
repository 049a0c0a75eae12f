"""Recognizers that operators write in `recognizers.yaml`: read, proven bounded, and matched.

The matchers stand here and not in the detector, because a bundle whose recognizer misses its own
example is refused when it is compiled, wherever that happens (proposal, start-up, tools).
Order: `documents` (shapes) → `read` (values, refusals) → `matchers` (what runs).
"""
