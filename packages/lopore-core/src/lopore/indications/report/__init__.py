"""The film report: one page that holds everything it shows, for a person to read and sign."""
