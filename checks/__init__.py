"""The checks that ship: what must be true of hosts, Docker engines, containers, endpoints and databases."""
