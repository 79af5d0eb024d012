"""How an image gets few colors, or few bytes. Each module is a plugin like any stranger's."""

PLUGIN_MODULES: tuple[str, ...] = (
    "methods.codecs",
    "methods.colorcnn.method",
    "methods.floors",
    "methods.kmeans",
    "methods.median_cut",
    "methods.octree",
    "methods.wu",
)
