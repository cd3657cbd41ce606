"""What is under deploy/, held against the code it starts and watches."""
