"""A real model from a file as a teacher on this machine: read, sized for the machine, and served by llama.cpp."""
