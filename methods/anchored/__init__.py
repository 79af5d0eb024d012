"""A learned quantizer that leans on a clustering of each image: ColorCNN's logits added to k-means' own."""
