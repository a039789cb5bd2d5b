"""Features of what customers write: requests, sentiment and themes of complaints."""
