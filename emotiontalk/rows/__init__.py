"""What is done with rows that are loaded: `show`, `label_names`, `context`."""
