"""The HTTP face of users, a file for accounts, reach, proofs and erasure each."""
