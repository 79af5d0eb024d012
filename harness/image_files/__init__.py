"""Image files of any kind as 8-bit sRGB pixels, as they are meant: the one reader of methods, datasets and commands.

reading: any file. avif, gif, ico, jpeg, jpeg2000, png, psd, tiff, webp: what of such a file decides its pixels, and its
pixels where Pillow alone gets them wrong. boxes: the parts of AVIF and JP2. depth: samples of more than 8 bits.
"""

from harness.image_files.reading import EXTENSIONS, ReadImage, read_image

__all__ = ["EXTENSIONS", "ReadImage", "read_image"]
