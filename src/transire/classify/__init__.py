"""Stage 1: what is in a request.

Pure: `parse fields normalize messages extension digest` turn bytes into a typed body, `mapping
redact cues` work on findings. Detection: `scan recognizers detector language pool`.
"""
