"""order-manager: the life of every order, from the client's wish to its last execution."""
