"""What was answered and what a person said of it; files that leave."""
