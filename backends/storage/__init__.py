"""The cellar: PostgreSQL (started by us, or yours) and the migrations of its tables."""
