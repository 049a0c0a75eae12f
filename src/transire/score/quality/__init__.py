"""Predicting how well a model would answer a prompt; off until an operator's outcomes earn it."""
