"""Networks, data sets, training and evaluation. Data and scores load without torch."""
