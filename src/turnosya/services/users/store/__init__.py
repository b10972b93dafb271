"""The SQL of users, a file for accounts, reach, proofs and erasures each."""
