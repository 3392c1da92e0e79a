"""What happened, and how the word of it travels. Rows are the truth; a wake-up is only a hint."""
