"""One HTML page that shows what is in a release."""
