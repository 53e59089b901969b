"""Write a report as an HTML page that is a single file."""
