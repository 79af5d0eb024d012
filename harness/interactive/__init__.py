"""What ``import fewcolors`` offers to Python and notebooks, beside the command line: specs run, runs read, arrays."""
