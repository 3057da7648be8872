"""What follows from records: differences with intervals, orders, repeatability. No torch."""
