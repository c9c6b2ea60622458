"""Plans of replayed steps as pictures: the calls in their order, and which arrays share memory."""
