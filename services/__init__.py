"""The nine services of the exchange. They never import each other."""
