"""Stage 6: the one way out, and the answer rebuilt from typed fields.

Pure: `wire fallback sse encode openai`. I/O: `forwarder` over `outbound`.
"""
