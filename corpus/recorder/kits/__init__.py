"""One module for each tool family: what its projects contain, how they are built, and how they break."""
