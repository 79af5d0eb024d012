"""What the columns of the tables mean."""

CELLS = (
    ("dataset, classifier", "the task: whose images, and which frozen network judges them"),
    ("method, variant, params", "the plugin, its name in tables, and all of its parameters as JSON"),
    ("level_kind, level", "what the level counts (colors, a codec's quality, or none) and its value"),
    ("seed", "seed of the trainings: seed s trains classifier s and quantizer s"),
    ("fitted_on", "the classifier a learned quantizer was trained against; empty if nothing is learned"),
    (
        "split, precision",
        "which images were judged; fp32 or bf16, the arithmetic of the method's training, or of the classifier's where "
        "the method learns nothing",
    ),
    ("status, error", "ok, failed, or blocked (it waited for something that failed), and why"),
    ("n", "judged images"),
    ("accuracy, accuracy_lo, accuracy_hi", "share of images recognized (a fraction) and its 95 % interval"),
    ("original_accuracy", "the same classifier's accuracy on the untouched images"),
    ("colors_per_image", "distinct 8-bit colors of the decoded image, mean over images"),
    ("bpp_file", "bits per pixel of the whole file: 8 x bytes / pixels; an indexed PNG for a quantizer"),
    (
        "bpp_payload",
        "bits per pixel of the coded pixels alone, without headers, tables and palette: PNG's IDAT, JPEG's scans, "
        "WebP's bitstream chunks, AVIF's mdat",
    ),
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
        "peak signal-to-noise ratio in dB of the mean squared error over all images: 10 log10(255² / mse); infinite "
        "where no image lost anything",
    ),
    ("seconds, key", "time spent fitting, reducing and judging, and the content key of the stored cell"),
    ("mse", "mean squared error of 8-bit values over pixels, channels and images; lower is better"),
    (
        "psnr_image_mean, lossless_share",
        "PSNR in dB of each image, averaged over those that lost anything, and the share of those that lost nothing; "
        "the former can fall when every image gets better",
    ),
    ("ssim", "structural similarity (Wang et al. 2004), 7 x 7 windows, mean over channels and images; 1 where equal"),
    ("ciede2000", "CIEDE2000 color difference, mean over pixels and images; about 1 can just be seen, 0 where equal"),
    ("judge", "frozen, or retrained: the classifier was trained further on the variant's own reduced training images"),
    ("further columns", "the other metrics of the spec, mean over images; a metric not measured stays empty"),
)

TESTS = (
    ("variant_a, level_a, variant_b, level_b", "what is compared; b is the baseline"),
    ("seed", "the training seed; empty: across all seeds"),
    ("test", "one training: mcnemar-midp (independent images) or cluster-t (sources); several: two-part-t"),
    ("family", "the comparisons that Holm's adjustment counts together"),
    ("n", "judged pairs: images, times seeds in a row across seeds"),
    ("discordant_a, discordant_b", "pairs that only a, or only b, got right"),
    ("difference, lo, hi", "accuracy of a less that of b (a fraction) and its 95 % interval"),
    (
        "p, p_holm, stars",
        "two-sided p, p adjusted by Holm, and *** below 0.001, ** below 0.01, * below 0.05, from three trainings on",
    ),
    ("trainings, trained", "how many different trainings are compared, and what was trained anew in each"),
    ("groups", "test images that are independent of each other, or sources of images that are not"),
    (
        "lo_simultaneous, hi_simultaneous, alike",
        "95 % interval that holds for all rows of a family at one level together, and how many those are",
    ),
    ("margin, p_same, p_same_holm", "two-sided margin, and p of a difference beyond it: small where they are the same"),
    ("verdict", "better, worse, same (within the margin), not separated, or too few sources"),
    ("judge", "frozen or retrained, as in cells.csv"),
)

PAIRS = (
    (
        "all columns",
        "as in significance.csv, of every two variants at the same level of a task, over all seeds that both have; b "
        "is no baseline",
    ),
    ("seed", "empty, or the one seed that both have"),
    ("family, alike", "all pairs of one task and level, and how many those are, also where too many to test each"),
    ("level_kind", "as in cells.csv"),
)

BITS = (
    ("dataset, classifier, variant, baseline", "whose points, and what they are compared with"),
    ("bits", "which bits: of the file, of its payload, or the entropy; columns bpp_... of cells.csv"),
    ("points, baseline_points", "how many levels with such bits each of the two has"),
    (
        "front, near_front",
        "levels that no other point of the task beats with at most as many bits and at least as high an accuracy, and "
        "levels that are beaten only by points whose 95 % intervals overlap or lie below theirs",
    ),
    (
        "bd_rate",
        "share of further bits the variant needs for the same accuracy, averaged on a log scale over the accuracies "
        "both curves reach (Bjøntegaard); below 0: fewer",
    ),
    (
        "bd_accuracy",
        "by how much its accuracy is higher at the same bits, averaged over the log bits both curves have",
    ),
    (
        "accuracy_from, accuracy_to, accuracy_share, bits_from, bits_to, bits_share",
        "these ranges, bits per pixel, and what share of the shorter curve's own range they are",
    ),
    ("remarks", "few points, a short range, or why there is no number"),
    ("judge", "frozen or retrained, as in cells.csv"),
)

JUDGES = (
    ("dataset, classifier, variant, level_kind, level", "whose images; one row where both judges finished"),
    ("seeds", "how many trainings both judges have"),
    ("accuracy_frozen", "of the classifier that never saw a reduced image"),
    ("accuracy_retrained", "of the same classifier, trained further on the variant's own reduced training images"),
    ("difference, lo, hi", "retrained less frozen (a fraction) and its 95 % interval"),
    ("original_accuracy", "of the frozen classifier on untouched images"),
    ("recovered", "difference over (original - frozen); empty where no loss is shown with 95 % confidence"),
)

CLAIMS = (
    ("claim, statement, source", "the plugin's name, what it says, and where it says so"),
    (
        "verdict",
        "supported; contradicted: its opposite is shown; not enough data, which includes what is not separated",
    ),
    ("effect, unit", "of the part that supports it least; accuracies as fractions"),
    (
        "lo, hi",
        "95 % interval of the smallest effect of all parts; for a stated number, of the difference from one further "
        "training",
    ),
    ("p", "two-sided, of all parts together (the largest); where it is contradicted, of the opposite, times the parts"),
    ("parts", "each part with its task, effect, own 95 % interval, p of its bound, and verdict"),
    ("cells", "the keys of the cells it rests on, as in cells.csv"),
    ("missing", "what would be needed to say more"),
)
