"""The package's check of itself: what ``tinygrad-lm gradcheck`` runs."""
