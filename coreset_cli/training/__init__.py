"""Models trained on what was selected; knows no method."""
