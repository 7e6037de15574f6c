"""The tables of a study, a file each, and the stage that writes them."""
