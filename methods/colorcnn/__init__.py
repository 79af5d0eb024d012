"""ColorCNN (Hou, Zheng & Gould, CVPR 2020): a network that learns which few colors keep an image recognizable."""
