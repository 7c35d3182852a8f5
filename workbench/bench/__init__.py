"""What this machine can do: the figures of `workbench bench`, measured in workers by what trains and speaks."""
