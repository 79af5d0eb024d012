"""How an image gets few colors, or few bytes. Each module is a plugin like any third party's."""

PLUGIN_MODULES: tuple[str, ...] = (
    "methods.codecs",
    "methods.colorcnn.method",
    "methods.cqformer.method",
    "methods.floors",
    "methods.kmeans",
    "methods.libimagequant",
    "methods.max_coverage",
    "methods.median_cut",
    "methods.metrics.ciede2000",
    "methods.metrics.lpips",
    "methods.metrics.mse",
    "methods.metrics.ssim",
    "methods.octree",
    "methods.otsu",
    "methods.popularity",
    "methods.uniform_grid",
    "methods.wu",
)
