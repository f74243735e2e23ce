"""A second reading of the platform's documents, to develop and test against."""
