"""The only HTTP client of the product (ADR 8): no redirects, no proxies, no cookies, caps."""
