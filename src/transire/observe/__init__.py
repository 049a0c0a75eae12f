"""What operators see: log lines and metrics. Never content, never a decision (I6).

The audit log is something else (`record`); nothing here is evidence.
"""
