"""Whose things they are. Without keys there is one tenant, made by the first migration."""

from uuid import UUID

DEFAULT_TENANT = UUID(int=0)
