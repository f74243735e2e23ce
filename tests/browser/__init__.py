"""The live page in a real browser. A package, so that pytest can say when the last of these tests has run."""
