"""The only HTTP client of the product (DESIGN §7): no redirects, no proxies, no cookies, caps."""
