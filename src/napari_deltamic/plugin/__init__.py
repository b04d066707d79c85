"""The napari plugin: docks, readers, writers and sample data."""
