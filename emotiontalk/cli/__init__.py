"""The commands: each has a module of its name, `app` lists them; they import the loader, never the reverse."""
