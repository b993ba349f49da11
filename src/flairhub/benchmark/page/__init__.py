"""The report page: everything that is known of the rows on one page that needs no network."""
