"""The mesh Fourier transform on a CUDA device: kernels, their loading, and what calls them."""
