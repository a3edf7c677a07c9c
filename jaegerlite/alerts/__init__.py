"""Alerts: rules over what is counted, their state through time and restarts, and who is told."""
