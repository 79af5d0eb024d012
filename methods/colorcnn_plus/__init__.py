"""ColorCNN+ (Hou, Gould & Zheng, IEEE TIP 2024): one network for few and many colors, where many imitate MedianCut."""
