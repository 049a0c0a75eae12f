"""Where durable state lives: the tables of the log's database and how it is opened."""
