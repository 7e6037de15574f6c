"""The command `sfsc demo`: a local page on which a small network asks a large one's gallery."""
