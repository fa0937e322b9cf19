"""What a run came to: figures and one self-contained HTML page."""
