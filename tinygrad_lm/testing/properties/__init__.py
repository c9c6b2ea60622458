"""Property testing: hypothesis strategies and random programs, public as ``testing.strategies`` and ``.programs``."""
