"""The whole product on a simulated fleet, on one machine, without a network."""
