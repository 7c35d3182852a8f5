"""The eleven sections, a module each: from what was read to facts and statements."""
