"""The vendors' own SDKs against a running server. One folder per vendor."""
