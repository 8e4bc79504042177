"""A net as a readable PyTorch module: a line for each layer, a state_dict, and a script that compares."""
