"""What the columns of the two tables mean."""

CELLS = (
    ("dataset, classifier", "the task: whose images, and which frozen network judges them"),
    ("method, variant, params", "the plugin, its name in tables, and all of its parameters as JSON"),
    ("level_kind, level", "what the level counts (colors, a codec's quality, or none) and its value"),
    ("seed", "seed of the trainings: seed s trains classifier s and quantizer s"),
    ("fitted_on", "the classifier a learned quantizer was trained against; empty if nothing is learned"),
    ("split, precision", "which images were judged, and the arithmetic: fp32 or bf16"),
    ("status, error", "ok, failed, or blocked (it waited for something that failed), and why"),
    ("n", "judged images"),
    ("accuracy, accuracy_lo, accuracy_hi", "share of images recognized (a fraction) and its 95 % interval"),
    ("original_accuracy", "the same classifier's accuracy on the untouched images"),
    ("colors_per_image", "distinct 8-bit colors of the decoded image, mean over images"),
    ("bpp_file", "bits per pixel of the whole file: 8 x bytes / pixels; an indexed PNG for a quantizer"),
    ("bpp_payload", "bits per pixel of the compressed pixel data alone (PNG's IDAT), without headers and palette"),
    (
        "bpp_entropy",
        "bits per pixel if every index cost its zeroth-order entropy, plus 24 bits for each palette entry; "
        "not a lower bound, as it ignores how pixels neighbor each other",
    ),
    ("bpp_nominal", "bits per pixel of an uncompressed index: log2 of the level, rounded up"),
    (
        "paper_bytes_per_pixel",
        "bytes per pixel of a 24-bit truecolor PNG: what the ColorCNN paper's reference code prints as “bit/pixel”, "
        "to compare with its Table 3; for a codec, bytes per pixel of its own file",
    ),
    (
        "psnr",
        "peak signal-to-noise ratio in dB, computed image by image and averaged over the images that lost anything; "
        "infinite if none did",
    ),
    ("seconds, key", "time spent fitting, reducing and judging, and the content key of the stored cell"),
)

TESTS = (
    ("variant_a, level_a, variant_b, level_b", "what is compared; b is the baseline"),
    ("seed", "the training seed; empty: across all seeds"),
    ("test", "mcnemar-midp, group-bootstrap or crossed-bootstrap"),
    ("family", "the comparisons that Holm's adjustment counts together"),
    ("n", "judged pairs: images, times seeds in a row across seeds"),
    ("discordant_a, discordant_b", "pairs that only a, or only b, got right"),
    ("difference, lo, hi", "accuracy of a minus that of b (a fraction) and its 95 % bootstrap interval"),
    ("p, p_holm, stars", "two-sided p, p adjusted by Holm, and *** below 0.001, ** below 0.01, * below 0.05"),
)
