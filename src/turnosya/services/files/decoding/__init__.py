"""Images and documents, worked on in a process of their own with limits."""
