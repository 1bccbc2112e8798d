"""What this machine allows: every answer is got by trying, none by reading a setting."""
