"""Where the release is, and its members: tars on disk, behind HTTP, in buckets."""
