"""How much one principal, one address and everybody together may ask for, before any content is
read. `bucket` is pure; `admission` and `tally` are owned by one event loop and take their time
from a clock.
"""
