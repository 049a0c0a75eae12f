"""Experiments: who is given which variant, what was learned, and when one is taken back.

Rules are pure (`draw`, `matching`, `sequential`); `keeper` holds the counts and writes roll-backs.
"""
