"""The command line: thin commands; what changes state goes through the API, as a person."""
