"""The quality report after it is made: its checks, its file, its page, and how two compare."""
