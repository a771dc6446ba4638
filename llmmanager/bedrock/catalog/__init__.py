"""The model catalog: names, regions, access methods, sources and stores."""
