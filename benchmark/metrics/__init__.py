"""PCKh, PCK and OKS average precision, and the prediction files that they are computed from."""
