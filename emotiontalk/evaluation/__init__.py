"""Predictions against labels: metrics with intervals."""
