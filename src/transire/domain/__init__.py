"""The vocabulary of the path: frozen values and ports, standard library only.

Nothing here reads a clock, draws randomness or does I/O. Every stage takes and returns these
types; the later one can be made only by the earlier stage (ADR 1).
"""
