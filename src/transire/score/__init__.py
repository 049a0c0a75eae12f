"""Stage 3: order the permitted set by cost, latency, reliability and quality.

`rank`, `estimate`, `breaker` and `latency` are pure; `health` keeps what this process observed;
`scorer` is the adapter for one bundle; `replay` writes a ranking down and derives it again (I8).
Nothing here decides eligibility: every function returns a subset of what policy permitted (I2).
"""
