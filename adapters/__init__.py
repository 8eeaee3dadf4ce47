"""One folder for each surface; every folder has the same shape, and none imports another."""
