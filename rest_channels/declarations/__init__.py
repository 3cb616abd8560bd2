"""What users declare in classes, decorators and settings: checked early, never ignored."""
