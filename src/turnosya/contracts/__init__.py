"""What services say to each other, one file per owner."""
