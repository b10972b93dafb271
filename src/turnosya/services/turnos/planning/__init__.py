"""One plan for all whom a closure affects (R18): as many as possible placed, then the least total cost."""
