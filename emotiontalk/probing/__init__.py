"""Heads that are trained on features of frozen upstreams."""
