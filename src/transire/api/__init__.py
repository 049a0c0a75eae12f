"""The HTTP surface: OpenAI-shaped where SDKs call, RFC 9457 problems elsewhere; unknown is 404."""
