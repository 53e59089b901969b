"""What models ask for when they are built and only computing needs: kernels, weights, files of the network."""
