"""Documents generated from the code, and the test that they are fresh."""
