"""One package per paper, and the layers and weights that several of them share."""
