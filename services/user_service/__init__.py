"""user-service: who somebody is. Registration, passwords, tokens, roles."""
