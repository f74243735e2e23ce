"""The one file: journal, archive, readers."""
