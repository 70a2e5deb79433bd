"""What the models and engines of this project are compared with, on the same frames."""
