"""The live tests once more, on the kernel that a stock Debian runs."""
