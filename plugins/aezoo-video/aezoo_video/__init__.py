"""Video for aezoo, under the namespace ``video``: float32 (B, C, T, H, W) in [0, 1]."""
