"""The report of a batch: figures from its results in bounded memory, and one HTML page that shows them."""
