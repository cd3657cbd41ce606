"""Events in, projections out: counts and verdict, published and archived."""
