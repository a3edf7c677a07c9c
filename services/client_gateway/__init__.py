"""client-gateway: the one door for clients, and the saga that takes an order through all services."""
