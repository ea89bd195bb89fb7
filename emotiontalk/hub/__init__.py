"""The loader, or an export, sent to a dataset repository of the Hub."""
