"""The engine of fewcolors: contracts, registry, spec, plan, store, scheduling on Ray and the command line."""

__version__ = "0.1.0"
