"""From result tables to what people read: statistics, figures, HTML and CSV."""

PLUGIN_MODULES: tuple[str, ...] = ("reports.plugins",)
