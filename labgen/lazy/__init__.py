"""Stand-ins for parts of the standard library that would take much of the time in which a command starts."""
