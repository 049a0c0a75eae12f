"""Stage 3: order the permitted set by cost, latency, reliability and quality.

`scorer` is the stage for one bundle; `rank` and `estimate` are its pure rules, `health` what this
process observed; `replay` derives a ranking again from what the record says (I8).
Nothing here decides eligibility: every function returns a subset of what policy permitted (I2).
"""
