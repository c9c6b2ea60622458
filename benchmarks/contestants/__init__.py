"""Those who take part: each makes of the same weights and the same batches a function that does one training step."""
