"""What the log says of experiments: outcomes by variant, and what each would do with everybody."""
