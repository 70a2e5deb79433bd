"""Measurements that put the models into proportion."""
