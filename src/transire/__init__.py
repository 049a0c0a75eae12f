"""transire: a governance-first router in front of AI model deployments."""

__all__ = ["__version__"]

__version__ = "0.1.0"
