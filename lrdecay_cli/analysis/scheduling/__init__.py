"""What ``schedule`` says, from what schedulers did."""
