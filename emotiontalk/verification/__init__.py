"""A release compared with what is published."""
