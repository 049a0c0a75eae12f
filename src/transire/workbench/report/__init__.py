"""What a log says of the traffic: measurements an operator acts on, from entries alone. Pure."""
