"""Fitting and judging quality predictors on an operator's own outcomes."""
