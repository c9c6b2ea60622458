"""The checker: ``check_gradients`` and all behind it. Imports nothing of its neighbours."""
