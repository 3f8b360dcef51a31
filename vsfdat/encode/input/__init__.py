"""A film as it comes in: its frames, their times, and what is damaged or missing of them."""
