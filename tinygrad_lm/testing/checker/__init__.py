"""The checker: ``check_gradients`` and everything behind it. Imports nothing from its neighbours."""
