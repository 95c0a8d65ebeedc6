"""The checks that ship: what must be true of hosts and their Docker engines, containers, endpoints and databases."""
