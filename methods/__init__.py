"""How an image gets few colors, or few bytes. Each module is a plugin like any third party's."""

PLUGIN_MODULES: tuple[str, ...] = (
    "methods.codecs",
    "methods.colorcnn.method",
    "methods.floors",
    "methods.kmeans",
    "methods.kmeans_online",
    "methods.libimagequant",
    "methods.max_coverage",
    "methods.median_cut",
    "methods.metrics.ciede2000",
    "methods.metrics.lpips",
    "methods.metrics.mse",
    "methods.metrics.ssim",
    "methods.neuquant",
    "methods.octree",
    "methods.otsu",
    "methods.popularity",
    "methods.scolorq",
    "methods.uniform_grid",
    "methods.wu",
)
