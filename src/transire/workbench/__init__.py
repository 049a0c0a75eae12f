"""Authors' tools beside the router: check a bundle, run its tests.

Nothing here decides for real traffic. An authorizer is taken as an argument, so that tests ask the
very code that serves.
"""
