"""What finished models are for. Pure functions of a model and tensors."""
