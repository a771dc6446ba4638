"""Which model can be called where, under which id: names, sources and stores."""
