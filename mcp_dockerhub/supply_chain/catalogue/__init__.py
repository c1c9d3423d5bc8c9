"""The built-in cataloguer: what is installed in an image, read from its layers as they stream by."""
