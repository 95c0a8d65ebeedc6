"""The checks that ship: what must be true of hosts, their containers and processes, of endpoints and databases."""
