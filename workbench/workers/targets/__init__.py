"""Functions that run in a worker process: JSON in, JSON out. Whoever imports one pays for what it needs."""
