"""CQFormer (Su et al., ICCV 2023): one branch of a network names each pixel's color, another picks the palette."""
