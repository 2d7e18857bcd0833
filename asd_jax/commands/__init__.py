"""The commands of `asd`: each a module that imports nothing heavy before it runs."""
