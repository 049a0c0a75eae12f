"""Stage 6: the one way out, and the answer rebuilt from typed fields.

`forwarder` spends a permit over `outbound`; `wire` and `headers` are what leaves, `openai` and
`sse` what comes back, `encode` what the caller gets.
"""
