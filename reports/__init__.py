"""From result tables to what people read: statistics, figures, HTML and CSV."""

PLUGIN_MODULES: tuple[str, ...] = (
    "reports.plugins",
    "reports.claims.few_colors",
    "reports.claims.classifiers",
    "reports.claims.compression",
    "reports.claims.parameters",
    "reports.claims.stated",
)
