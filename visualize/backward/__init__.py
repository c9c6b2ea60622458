"""The backward pass: as data, frame by frame, and to step through in a page or a terminal."""
