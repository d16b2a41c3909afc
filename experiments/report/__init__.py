"""Reports: one HTML file, readable offline."""
