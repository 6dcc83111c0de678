"""Places of files: local paths and fsspec addresses ("s3://...") alike."""
