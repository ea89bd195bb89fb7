"""The builder for `datasets`, its options, and `load_dataset`."""
