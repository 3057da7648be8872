"""From images to network inputs and targets, and from heatmaps back to keypoints."""
