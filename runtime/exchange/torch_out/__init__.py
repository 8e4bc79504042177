"""A net as a PyTorch module that is read easily: a line for each layer, a state_dict, and a script that compares."""
